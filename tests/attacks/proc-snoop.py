# attack: looks for other programs, their environment, arguments and descriptors
# expect: OK
# says:   HELD
import os

for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "maps"):
        try:
            text = open(f"/proc/{pid}/{name}", "rb").read()
        except OSError:
            continue
        if any(word in text for word in (b"neighbour-secret", b"DATABASE_URL", b"postgres", b"codecanvas worker", b"PGPASSWORD")):
            print("BREACH", pid, name)
if len([pid for pid in os.listdir("/proc") if pid.isdigit()]) > 4:
    print("BREACH sees processes of others")
print("HELD")
