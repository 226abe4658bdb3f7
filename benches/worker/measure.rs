//! Stop-watches: medians, and the processor time of this process and of a database's processes.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// The middle value; of an even number of values, the mean of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// Processor time that this process has used, without its children.
pub fn own_cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Duration::from_micros(u64::try_from(micros.iter().sum::<i64>()).unwrap_or(0))
}

/// The value below which `share` of the sorted values are.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The most memory that this process has had, as Linux says it.
pub fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |kib| kib.trim().to_owned())
}

/// Processor time that a process, its children that ended and its children that run have used, to a hundredth of a
/// second. Linux only; nothing elsewhere.
pub fn family_cpu(parent: u32) -> Option<Duration> {
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Some(stat) = Stat::of(pid) else { continue };
        if pid == parent {
            ticks += stat.own + stat.waited_for;
        } else if stat.parent == parent {
            ticks += stat.own;
        }
    }
    Some(Duration::from_millis(ticks * 10))
}

/// What proc(5) says of one process, in ticks: user and system time together.
struct Stat {
    parent: u32,
    own: u64,
    waited_for: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(14)? + ticks(15)?,
            waited_for: ticks(16)? + ticks(17)?,
        })
    }
}

/// Whether a ratio that should be large enough, or small enough, is.
pub fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT met" }
}
