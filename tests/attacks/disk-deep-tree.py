# attack: a tree of directories so deep that cleaning up by path fails
# expect: OK MEMORY_LIMIT
# says:   HELD
import os

os.chdir("/tmp")
try:
    for depth in range(20_000):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
except OSError as error:
    print("refused at", depth, error.strerror)
print("HELD")
