//! The same as somebody who may less than root: this executable runs itself again.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// No user of the host.
const UID: u32 = 63_999;
const USER: &str = "codecanvas-test";

tests! {
    fn everything_holds_for_an_ordinary_user_in_user_namespaces() {
        if !is_root() {
            return;
        }
        let (place, program) = copy_for_everybody();
        let mut command = Command::new(program);
        // Of this module an ordinary user can run nothing.
        command.args(["--skip", "user::"]).uid(UID).gid(UID).env("BOXES_MAY_MISS", "memory-limit").env("TMPDIR", place.path());
        assert!(command.current_dir("/").status().unwrap().success());
    }

    fn everything_holds_for_an_ordinary_user_with_ids_granted_by_root() {
        if !is_root() {
            return;
        }
        let (place, program) = copy_for_everybody();
        let (etc, entry) = (place.path().join("etc"), format!("{USER}:200000:1000\n"));
        assert!(Command::new("cp").args(["--archive", "/etc"]).arg(&etc).status().unwrap().success());
        std::fs::write(etc.join("subuid"), &entry).unwrap();
        std::fs::write(etc.join("subgid"), &entry).unwrap();
        let passwd = std::fs::read_to_string(etc.join("passwd")).unwrap();
        std::fs::write(etc.join("passwd"), format!("{passwd}{USER}:x:{UID}:{UID}::/:/bin/false\n")).unwrap();
        // In mounts of its own it is the host's /etc. Only root can count the descriptors of a keeper that changes its user.
        let script = "mount --bind \"$1\" /etc && exec setpriv --reuid \"$2\" --regid \"$2\" --clear-groups \"$3\" --skip user:: --skip a_keeper_holds";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
        command.arg(etc).arg(UID.to_string()).arg(program);
        command.env("BOXES_MAY_MISS", "memory-limit").env("BOXES_HOST_UID", "200900").env("TMPDIR", place.path());
        assert!(command.current_dir("/").status().unwrap().success());
    }

    fn everything_holds_for_root_with_the_few_capabilities_of_a_container() {
        if !is_root() {
            return;
        }
        // Without CAP_SYS_PTRACE nobody can tell who waits for input, without CAP_SETPCAP the bounding
        // set stays, and without CAP_DAC_OVERRIDE a copy-on-write mount is read-only unless there is nothing to copy.
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-all,+sys_admin,+setuid,+setgid,+sys_chroot", "--inh-caps", "-all"]);
        command.arg(std::env::current_exe().unwrap()).args(["--skip", "interactive", "--skip", "user::", "--skip", "nobody", "--skip", "a_copy_of_it"]);
        assert!(command.status().unwrap().success());
    }
}

/// Whether this is root, who alone can become somebody who may less. Where the sandbox has to be tested it must be.
fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    assert!(is_root || std::env::var_os("REQUIRE_SANDBOX").is_none(), "only root can test what others may");
    if !is_root {
        println!("not root: what others may is not tested");
    }
    is_root
}

/// The executable may lie where only root may look.
fn copy_for_everybody() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::Builder::new().prefix("boxes").tempdir().unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let program = place.path().join("boxes");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    (place, program)
}
