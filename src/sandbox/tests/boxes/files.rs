//! Files into a box and out of it.

use std::path::PathBuf;

use codecanvas_sandbox::message::Collect;
use codecanvas_sandbox::{Access, Mount};

use crate::support::{Fixture, layout, program};

fn directory(path: &str, suffix: &str, max_files: usize, max_bytes: u64) -> Collect {
    Collect::Directory { path: PathBuf::from(path), suffix: suffix.to_owned(), max_files, max_bytes }
}

tests! {
    fn written_files_are_there_and_belong_to_the_program() {
        let fixture = Fixture::new();
        fixture.write("a/b/source.txt", "grüße\n".as_bytes()).unwrap();
        assert_eq!(fixture.run(program("read", &["a/b/source.txt"])).ok(), "grüße\n");
        fixture.run(program("write", &["a/b/source.txt", "changed"])).ok();
        fixture.run(program("write", &["a/new", "new"])).ok();
        assert_eq!(fixture.collect_file("a/b/source.txt").unwrap(), "changed");
    }

    fn a_file_can_be_big() {
        let fixture = Fixture::new();
        let big = "0123456789abcdef".repeat(1 << 16);
        fixture.write("big", big.as_bytes()).unwrap();
        let what = Collect::File { path: PathBuf::from("big"), max_bytes: 1 << 20 };
        assert_eq!(fixture.collect(what).unwrap()[0].1, big);
    }

    fn what_the_worker_writes_may_be_more_than_the_program_may() {
        let fixture = Fixture::new();
        let mut fill = program("fill", &["full"]);
        fill.limits.disk_bytes = 2 << 20;
        fixture.run(fill.clone()).ok();
        // The next box is made ready for the same.
        fixture.reset();
        fixture.write("small", b"x").unwrap();
        let big = "0123456789abcdef".repeat(3 << 16);
        fixture.write("big", big.as_bytes()).unwrap();
        let ran = fixture.run(fill);
        assert!(ran.ok().starts_with("0 ") && ran.stdout.ends_with("StorageFull\n"), "{ran:#?}");
        let what = Collect::File { path: PathBuf::from("big"), max_bytes: 4 << 20 };
        assert_eq!(fixture.collect(what).unwrap()[0].1, big);
    }

    fn files_are_not_written_outside_nor_twice() {
        let fixture = Fixture::new();
        for path in ["../x", "/x", "a/../../x", "", "./x", "a/./../x"] {
            let failure = fixture.write(path, b"x").unwrap_err();
            assert!(failure.is_refusal, "{path}: {failure:?}");
        }
        fixture.write("once", b"x").unwrap();
        assert_eq!(fixture.write("once", b"y").unwrap_err().errno, Some(17));
    }

    fn files_are_not_written_through_links() {
        let fixture = Fixture::new();
        fixture.run(program("links", &[])).ok();
        for path in ["link", "linked-directory/x", "root/tmp/x", "fifo"] {
            assert!(fixture.write(path, b"x").unwrap_err().is_refusal);
        }
    }

    fn only_regular_files_are_collected() {
        let fixture = Fixture::new();
        fixture.run(program("links", &[])).ok();
        assert_eq!(fixture.collect_file("plain").unwrap(), "plain");
        assert_eq!(fixture.collect_file("directory/inner.txt").unwrap(), "text");
        for path in [
            "link", "magic", "root/etc/passwd", "linked-directory/inner.txt", "fifo", "socket", "directory", "sparse",
            "missing", "../work/plain", "/etc/passwd", "", ".", "plain/x",
        ] {
            let failure = fixture.collect_file(path).unwrap_err();
            assert!(failure.is_refusal, "{path}: {failure:?}");
        }
    }

    fn a_directory_is_collected_without_what_is_no_file() {
        let fixture = Fixture::new();
        fixture.run(program("links", &[])).ok();
        let found = fixture.collect(directory("", ".class", 10, 100)).unwrap();
        let names: Vec<_> = found.iter().map(|(file, text)| (file.path.to_str().unwrap(), text.as_str())).collect();
        assert_eq!(names, [("directory/inner.class", "inner")]);
        let found = fixture.collect(directory("directory", "", 10, 100)).unwrap();
        assert_eq!(found.len(), 2);
        assert!(fixture.collect(directory("directory", "", 1, 100)).unwrap_err().is_refusal);
        assert!(fixture.collect(directory("directory", "", 10, 8)).unwrap_err().is_refusal);
        assert!(fixture.collect(directory("linked-directory", "", 10, 100)).unwrap_err().is_refusal);
    }

    fn what_was_collected_cannot_be_changed_any_more() {
        use nix::fcntl::{FcntlArg, SealFlag, fcntl};
        let fixture = Fixture::new();
        fixture.write("made", b"made").unwrap();
        let what = Collect::File { path: PathBuf::from("made"), max_bytes: 100 };
        let request = codecanvas_sandbox::message::Request::Collect(what);
        let collected = fixture.call(&request, &[]);
        let seals = fcntl(&collected.descriptors[0], FcntlArg::F_GET_SEALS).unwrap();
        assert!(SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL));
    }

    fn files_stay_from_step_to_step_and_go_with_the_box() {
        let fixture = Fixture::new();
        for path in ["kept", "/tmp/kept", "/dev/shm/kept"] {
            fixture.run(program("write", &[path, "kept"])).ok();
            assert_eq!(fixture.run(program("read", &[path])).ok(), "kept");
        }
        fixture.reset();
        let ran = fixture.run(program("exists", &["kept", "/tmp/kept", "/dev/shm/kept"]));
        assert_eq!(ran.ok(), "kept false\n/tmp/kept false\n/dev/shm/kept false\n");
    }

    fn a_step_starts_in_its_directory() {
        let fixture = Fixture::new();
        fixture.write("a/x", b"here").unwrap();
        let mut spec = program("read", &["x"]);
        spec.cwd = PathBuf::from("a");
        assert_eq!(fixture.run(spec).ok(), "here");
    }

    fn an_empty_directory_can_be_filled_and_stays_empty_on_the_host() {
        let host = tempfile::tempdir().unwrap();
        std::fs::set_permissions(host.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut layout = layout();
        layout.mounts.push(Mount {
            source: host.path().to_owned(),
            target: PathBuf::from("/own"),
            access: Access::CopyOnWrite,
            is_optional: false,
        });
        let fixture = Fixture::with(layout);
        fixture.run(program("write", &["/own/new", "box"])).ok();
        assert_eq!(fixture.run(program("list", &["/own"])).ok(), "new\n");
        fixture.reset();
        assert_eq!(fixture.run(program("list", &["/own"])).ok(), "");
        assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 0);
    }

    fn a_mount_of_the_host_can_be_read_and_a_copy_of_it_written() {
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("file"), "host").unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(host.path(), everybody).unwrap();
        let mount = |target: &str, access| Mount {
            source: host.path().to_owned(),
            target: PathBuf::from(target),
            access,
            is_optional: false,
        };
        let mut layout = layout();
        layout.mounts.push(mount("/shown", Access::ReadOnly));
        layout.mounts.push(mount("/copied", Access::CopyOnWrite));
        layout.mounts.push(Mount {
            source: PathBuf::from("/no/such/directory"),
            target: PathBuf::from("/missing"),
            access: Access::CopyOnWrite,
            is_optional: true,
        });
        let fixture = Fixture::with(layout);
        assert_eq!(fixture.run(program("read", &["/shown/file"])).ok(), "host");
        fixture.run(program("write", &["/copied/new", "box"])).ok();
        assert_eq!(fixture.run(program("list", &["/copied"])).ok(), "file\nnew\n");
        assert_ne!(fixture.run(program("write", &["/shown/new", "box"])).outcome.ended, codecanvas_sandbox::Ended::Exited(0));
        fixture.reset();
        assert_eq!(fixture.run(program("list", &["/copied"])).ok(), "file\n");
        assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    }
}
