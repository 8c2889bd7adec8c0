//! The same as an ordinary user: this executable runs itself again as one.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// No user of the host.
const UID: u32 = 63_999;

tests! {
    fn everything_holds_for_an_ordinary_user_in_user_namespaces() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        // The executable may lie where only root may look.
        let place = tempfile::Builder::new().prefix("boxes").tempdir().unwrap();
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let program = place.path().join("boxes");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let status = Command::new(&program)
            .env("BOXES_MAY_MISS", "memory-limit")
            .current_dir("/")
            .uid(UID)
            .gid(UID)
            .status();
        assert!(status.unwrap().success());
    }
}
