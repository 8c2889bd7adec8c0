# attack: connects to an abstract Unix socket of the host, which no file system hides
# expect: OK
# says:   HELD
# args:   {abstract}
import socket, sys

try:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect("\0" + sys.argv[1])
        print("BREACH connected")
except OSError as error:
    print("refused", error)
print("HELD")
