# attack: searches all files for the source of a neighbour, and the files of the server
# expect: OK WALL_TIME_LIMIT CPU_TIME_LIMIT
import os

for path in ("/etc/shadow", "/root", "/home", "/var/lib/codecanvas", "/var/lib/postgresql", "/run/postgresql", "/etc/ssh", "/boot", "/var/run/docker.sock"):
    try:
        print("BREACH", path, os.listdir(path) if os.path.isdir(path) else open(path).read(10)) if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)) else None
    except OSError as error:
        print("refused", path, error.strerror)
secret = b"neighbour-" + b"secret"
for top in ("/tmp", "/dev/shm", "/var", "/run", "/srv", "/mnt", "/opt", "/work", "."):
    for directory, _, files in os.walk(top):
        for name in files:
            try:
                if secret in open(os.path.join(directory, name), "rb").read(1 << 20):
                    print("BREACH found the neighbour in", directory, name)
            except OSError:
                pass
print("HELD")
