# attack: symbolic and hard links, FIFOs and sockets where files are expected
# expect: OK
# says:   HELD
import os, socket

for target in ("/etc/shadow", "/root", "/proc/1/root/etc/shadow", "/proc/self/root/../../etc/shadow", "/../../../../etc/shadow"):
    try:
        os.symlink(target, "link")
        print("BREACH read", target, open("link").read()[:10])
    except OSError as error:
        print("refused", target, error.strerror)
    finally:
        try:
            os.unlink("link")
        except OSError:
            pass
for target in ("/usr/bin/su", "/etc/passwd", "/bin/sh"):
    try:
        os.link(target, "hard")
        print("BREACH linked", target)
    except OSError as error:
        print("refused", target, error.strerror)
os.mkfifo("main")
socket.socket(socket.AF_UNIX).bind("socket")
print("HELD")
