//! What the machine has, and how much of it this process may take.

use std::path::{Path, PathBuf};

/// Main memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// What programs could use now.
    pub available: u64,
    /// All of it.
    pub total: u64,
}

/// How much more memory this process can have, and what keeps it from having more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// What bounds it.
    pub bound: Bound,
}

/// What bounds the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Memory and swap space that no other program uses.
    Machine,
    /// The control group that the process runs in (a container, a batch job).
    ControlGroup,
    /// The limit on its address space (`ulimit -v`).
    AddressSpace,
    /// The limit on its data (`ulimit -d`).
    Data,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Bound::Machine => "this machine has",
            Bound::ControlGroup => "the control group of this process has",
            Bound::AddressSpace => "the limit on this process's address space (`ulimit -v`) leaves",
            Bound::Data => "the limit on this process's data (`ulimit -d`) leaves",
        })
    }
}

/// What a process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Bytes in main memory, now and at most.
    pub resident: u64,
    /// See `resident`.
    pub peak: u64,
    /// Threads.
    pub threads: u64,
    /// Seconds of processor time so far, of all threads.
    pub seconds: f64,
}

/// What a process takes, where the system tells (Linux) and the process is there.
pub fn process(pid: u32) -> Option<Process> {
    let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    taken(&read("status")?, &read("stat")?, rustix::param::clock_ticks_per_second())
}

/// From the two files that `/proc` has of a process; its times are counted in ticks.
fn taken(status: &str, stat: &str, ticks: u64) -> Option<Process> {
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    // The name of the program, in parentheses, may hold anything.
    let rest = stat.rsplit_once(')')?.1;
    let number = |at: usize| rest.split_whitespace().nth(at)?.parse::<u64>().ok();
    let time = number(11)?.saturating_add(number(12)?);
    Some(Process {
        resident: kib(status, "VmRSS:")?,
        peak: kib(status, "VmHWM:")?,
        threads: line?.trim().parse().ok()?,
        seconds: time as f64 / ticks.max(1) as f64,
    })
}

/// The machine's memory, where the system tells (Linux).
pub fn memory() -> Option<Memory> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// How much more this process can have: the least of what the machine has left, its control groups and its own limits.
/// Nothing where the system tells none of them.
pub fn room() -> Option<Room> {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|info| Some(parse(&info)?.available.saturating_add(kib(&info, "SwapFree:").unwrap_or(0))));
    let group = std::fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.and_then(|groups| control_groups(Path::new("/sys/fs/cgroup"), &groups));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limit = |resource, used: &str| {
        let most = rustix::process::getrlimit(resource).current?;
        Some(most.saturating_sub(kib(&status, used)?))
    };
    use rustix::process::Resource;
    let bounds = [
        (machine, Bound::Machine),
        (group, Bound::ControlGroup),
        (limit(Resource::As, "VmSize:"), Bound::AddressSpace),
        (limit(Resource::Data, "VmData:"), Bound::Data),
    ];
    let known = bounds.into_iter().filter_map(|(bytes, bound)| Some(Room { bytes: bytes?, bound }));
    known.min_by_key(|room| room.bytes)
}

/// The number behind `name` in a file of `/proc` that counts in KiB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib.saturating_mul(1024))
}

fn parse(info: &str) -> Option<Memory> {
    Some(Memory { available: kib(info, "MemAvailable:")?, total: kib(info, "MemTotal:")? })
}

/// The least that the memory control groups of `groups` (a line each: number, controllers, path) and those above them
/// leave, version 1 or 2. Files in memory that nobody has used lately count as free, since they give way.
fn control_groups(root: &Path, groups: &str) -> Option<u64> {
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (base, most, used, idle) = match controllers {
            "" => (root.to_path_buf(), "memory.max", "memory.current", "inactive_file"),
            _ if controllers.split(',').any(|c| c == "memory") => {
                let names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
                (root.join("memory"), names.0, names.1, names.2)
            }
            _ => continue,
        };
        let mut folder: PathBuf = base.join(path.trim_start_matches('/'));
        loop {
            let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok();
            // A group without a limit says `max`, or a number beyond all memory.
            if let (Some(most), Some(used)) = (number(most), number(used)) {
                let (most, used): (u64, u64) = (most, used);
                let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
                let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse::<u64>().ok());
                let left = most.saturating_sub(used.saturating_sub(idle.unwrap_or(0)));
                least = Some(least.map_or(left, |least| least.min(left)));
            }
            if folder == base || !folder.pop() {
                break;
            }
        }
    }
    least
}

/// Files that a program has open whatever it does.
const FILES: u64 = 512;

/// Let this process have so many more files open at a time, as far as its hard limit goes.
pub fn allow_files(more: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = more.saturating_add(FILES).min(maximum.unwrap_or(u64::MAX));
    if current.is_some_and(|current| current < wanted) {
        // Where it is refused, the error is that of the file that is one too many.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_kib() {
        let info = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(parse(info), Some(Memory { available: 20_480_000_000, total: 24_576_000_000 }));
        assert_eq!(parse("MemTotal: 1 kB"), None);
    }

    #[test]
    fn the_narrowest_control_group_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        // Version 2: the group itself has no limit, the one above has.
        write("job/step/memory.max", "max\n");
        write("job/step/memory.current", "100\n");
        write("job/memory.max", "5000\n");
        write("job/memory.current", "3000\n");
        write("job/memory.stat", "anon 2000\ninactive_file 1000\nactive_file 7\n");
        assert_eq!(control_groups(dir.path(), "0::/job/step\n"), Some(3000));
        assert_eq!(control_groups(dir.path(), "0::/\n"), None);
        // Version 1, seen from inside a container: the path of the host is not there, but its root is.
        write("memory/memory.limit_in_bytes", "4000\n");
        write("memory/memory.usage_in_bytes", "2500\n");
        write("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n");
        assert_eq!(control_groups(dir.path(), "5:cpu:/x\n4:memory:/host/path\n0::/\n"), Some(2000));
        // Both: the least.
        assert_eq!(control_groups(dir.path(), "4:memory:/\n0::/job/step\n"), Some(2000));
    }

    #[test]
    fn what_a_process_takes_is_read_whatever_its_name() {
        let status = "Name:\ta) b\nVmHWM:\t  3000 kB\nVmRSS:\t  2000 kB\nThreads:\t5\n";
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 5 0 100 1 500";
        let found = taken(status, stat, 100).unwrap();
        assert_eq!(found, Process { resident: 2_048_000, peak: 3_072_000, threads: 5, seconds: 2.0 });
        assert_eq!(taken("", stat, 100), None);
        assert_eq!(taken(status, "7 (a", 100), None);
        assert!(process(std::process::id()).is_none_or(|own| own.resident > 0 && own.peak >= own.resident));
    }

    #[test]
    fn this_process_has_some_room() {
        let room = room().unwrap();
        assert!(room.bytes > 1 << 20 && !room.bound.to_string().is_empty(), "{room:?}");
    }

    #[test]
    fn more_files_may_be_open_than_before() {
        use rustix::process::{Resource, getrlimit};
        let before = getrlimit(Resource::Nofile);
        let more = before.current.unwrap_or(0);
        allow_files(more);
        let most = before.maximum.unwrap_or(u64::MAX);
        assert!(
            getrlimit(Resource::Nofile).current.is_none_or(|now| now >= more.saturating_add(FILES).min(most))
        );
    }
}
