/*
 * attack: raw, packet, netlink and vsock sockets
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    must_fail("raw socket", socket(AF_INET, SOCK_RAW, 1));
    must_fail("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    must_fail("vsock socket", socket(AF_VSOCK, SOCK_STREAM, 0));
    must_fail("netlink netfilter", socket(AF_NETLINK, SOCK_RAW, 12));
    must_fail("netlink audit", socket(AF_NETLINK, SOCK_RAW, 9));
    must_fail("alg socket", socket(38, SOCK_SEQPACKET, 0));
    must_fail("bluetooth socket", socket(31, SOCK_RAW, 0));
    must_fail("can socket", socket(29, SOCK_RAW, 1));
    must_fail("key socket", socket(15, SOCK_RAW, 2));
    must_fail("xdp socket", socket(44, SOCK_RAW, 0));
    return held();
}
