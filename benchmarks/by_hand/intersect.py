"""Compare two subsets by hand: how many uids both hold, and how many each."""

import argparse

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("subsets", nargs=2)
given = parser.parse_args()
a, b = (np.load(path) for path in given.subsets)
both = len(np.intersect1d(a, b))
print(len(a), len(b), both)
