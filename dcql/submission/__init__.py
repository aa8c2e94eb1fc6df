"""Submissions: a run, everything that decided it and what came of it, in a folder that a stranger can check.

    subset hash -> shards digest -> run hash -> weights SHA-256 -> evaluation hash -> entry

`pack` writes the folder, `check` computes every link again and names what differs. Nothing that a submission states
is believed, and nothing in it is executed but its recipe, which is compiled as any other.
"""
