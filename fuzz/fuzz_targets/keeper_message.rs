//! A worker understands or refuses whatever comes from a keeper, and the other way round.
#![no_main]

use std::os::fd::AsFd;

use codecanvas_sandbox::message::{Request, Response, recv};
use libfuzzer_sys::fuzz_target;
use std::os::unix::net::UnixDatagram;

fuzz_target!(|bytes: &[u8]| {
    for is_request in [true, false] {
        let Ok((ours, theirs)) = UnixDatagram::pair() else { return };
        if ours.set_nonblocking(true).is_err() || ours.send(bytes).is_err() {
            return;
        }
        drop(ours);
        if is_request {
            let _ = recv::<Request>(theirs.as_fd());
        } else {
            let _ = recv::<Response>(theirs.as_fd());
        }
    }
});
