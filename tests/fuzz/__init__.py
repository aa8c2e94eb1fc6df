"""The readers of untrusted bytes, fuzzed: see __main__.py; test_fuzz.py is the short run."""
