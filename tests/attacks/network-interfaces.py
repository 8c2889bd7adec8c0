# attack: looks for a network interface that leads out of the box
# expect: OK
# says:   HELD
lines = open("/proc/net/dev").read().splitlines()[2:]
for name in (line.split(":")[0].strip() for line in lines):
    if name not in ("lo", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"):
        print("BREACH interface", name)
if len(open("/proc/net/route").read().splitlines()) > 1:
    print("BREACH there is a route")
print("HELD")
