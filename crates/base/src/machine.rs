//! What the machine has.

/// Main memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// What programs could use now.
    pub available: u64,
    /// All of it.
    pub total: u64,
}

/// The machine's memory, where the system tells (Linux).
pub fn memory() -> Option<Memory> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse(info: &str) -> Option<Memory> {
    let read = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory { available: read("MemAvailable:")?, total: read("MemTotal:")? })
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
}
