"""Training: a subset's shards and a scale to weights, the same weights whenever the same run is trained again.

order        which sample stands at which position
feed         positions to batches: reading, decoding, augmentation
loop         the training itself
checkpoint   its state on disk
folder       what a training leaves: run.json, log.jsonl, weights
weights      a finished training, read and checked
"""
