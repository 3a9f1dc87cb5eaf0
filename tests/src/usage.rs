//! What a process uses, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

/// Clock ticks a second in `/proc`: `USER_HZ`, 100 on every Linux that user space sees.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used so far.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) peak_memory_bytes: u64,
}

/// CPU time of all its threads, its resident memory, and the most that ever was.
pub(crate) fn usage(process: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(Usage {
        cpu_seconds: cpu_seconds(&stat).context("/proc/PID/stat has no times")?,
        memory_bytes: kibibytes(&status, "VmRSS:").context("/proc/PID/status has no VmRSS")?,
        peak_memory_bytes: kibibytes(&status, "VmHWM:").context("/proc/PID/status has no VmHWM")?,
    })
}

/// Fields 14 and 15 of proc(5); the second one, the name, ends with the last parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn kibibytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 99 0 0 0 120 30 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(1.5));
        assert_eq!(kibibytes("Name:\ta\nVmHWM:\t    2048 kB\n", "VmHWM:"), Some(2 << 20));
        assert!(usage(std::process::id()).unwrap().memory_bytes > 0);
    }
}
