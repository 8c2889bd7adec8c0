"""Counts the words of standard input and shows the most frequent ones as bars."""
import collections
import re
import sys

words = re.findall(r"\w+", sys.stdin.read().lower())
for word, count in sorted(collections.Counter(words).items(), key=lambda item: (-item[1], item[0]))[:3]:
    print(f"{word:<6}{'#' * count}")
