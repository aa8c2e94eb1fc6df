"""A model of a user's own: the words of a caption. It fails where a caption has none."""


def load(weights, assets, options):
    def count(captions):
        return [None if caption is None else _words(caption) for caption in captions]

    return count


def _words(caption):
    if not caption.split():
        raise ValueError("no word in it")
    return len(caption.split())
