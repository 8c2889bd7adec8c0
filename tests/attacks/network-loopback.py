# attack: connects to a listener on the host's loopback
# expect: OK
# says:   HELD
# args:   {port}
import socket, sys

for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect((address, int(sys.argv[1])))
            print("BREACH connected to", address)
    except OSError as error:
        print("refused", address, error)
print("HELD")
