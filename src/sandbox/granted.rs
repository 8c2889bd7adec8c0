//! User ids that root has granted to an ordinary user: see subuid(5). With them boxes of different slots are different users.

use std::fs;
use std::path::Path;

use nix::unistd::{User, geteuid};

/// What puts such ids into a user namespace.
pub(crate) const PROGRAMS: [&str; 2] = ["/usr/bin/newuidmap", "/usr/bin/newgidmap"];

/// The uid and gid of a slot; `None` where so many are not granted, or nothing can make use of them.
pub(crate) fn ids_of_slot(slot: u32) -> Option<(u32, u32)> {
    if !PROGRAMS.iter().all(|program| Path::new(program).exists()) {
        return None;
    }
    let uid = geteuid();
    let name = User::from_uid(uid).ok().flatten()?.name;
    let granted = |file: &str| nth(&fs::read_to_string(file).ok()?, &name, &uid.to_string(), slot);
    Some((granted("/etc/subuid")?, granted("/etc/subgid")?))
}

/// The n-th id, over all lines `user:first:count` of a user, by name or number.
fn nth(granted: &str, name: &str, number: &str, n: u32) -> Option<u32> {
    let mut left = n;
    for line in granted.lines() {
        let mut fields = line.trim().splitn(3, ':');
        let (Some(user), Some(first), Some(count)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (Ok(first), Ok(count)) = (first.parse::<u32>(), count.parse::<u32>()) else { continue };
        if user != name && user != number {
            continue;
        }
        if left < count {
            return first.checked_add(left);
        }
        left -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_counted_over_all_lines_of_the_user() {
        let granted = "ada:100000:2\nbob:200000:65536\n1000:300000:2\nada:x:1\n";
        let ids: Vec<_> = (0..5).map(|n| nth(granted, "ada", "1000", n)).collect();
        assert_eq!(ids, [Some(100_000), Some(100_001), Some(300_000), Some(300_001), None]);
        assert_eq!(nth("", "ada", "1000", 0), None);
    }
}
