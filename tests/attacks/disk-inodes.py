# attack: uses up the inodes with empty files
# expect: OK MEMORY_LIMIT CPU_TIME_LIMIT WALL_TIME_LIMIT
import os

made = 0
for directory in ("/tmp", "/dev/shm", "."):
    try:
        for number in range(2_000_000):
            os.close(os.open(f"{directory}/{number}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError as error:
        print("refused", directory, error.strerror)
print("BREACH 2000000 files" if made >= 2_000_000 else "HELD")
