//! The process, under the names that Prometheus' own libraries use, asked of `/proc` each time.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// What Linux counts processor time in, on every machine and whatever the kernel's own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Says nothing where there is no `/proc`.
#[derive(Debug)]
pub(super) struct Process;

#[derive(Debug, Default)]
struct Seen {
    cpu_seconds: Option<f64>,
    start_seconds: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
    open_files: Option<u64>,
    max_files: Option<u64>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seen = Seen::now();
        if let Some(seconds) = seen.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time used, of user and system";
            let unit = Some(&Unit::Seconds);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor("process_cpu", help, unit, kind)?)?;
        }
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let gauge = ConstGauge::new(value);
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, unit, kind)?)
        };
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        gauge("process_start_time", "When it started, since 1970", seconds, seen.start_seconds)?;
        let resident = seen.resident_bytes.map(float);
        gauge("process_resident_memory", "Memory it has", bytes, resident)?;
        let asked_for = seen.virtual_bytes.map(float);
        gauge("process_virtual_memory", "Memory it has asked for", bytes, asked_for)?;
        gauge("process_threads", "Its threads", None, seen.threads.map(float))?;
        gauge("process_open_fds", "Files and sockets open", None, seen.open_files.map(float))?;
        gauge("process_max_fds", "Most that may be open", None, seen.max_files.map(float))
    }
}

impl Seen {
    fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut seen = Self::default();
        seen.read_stat(&read("/proc/self/stat"), &read("/proc/stat"));
        seen.read_status(&read("/proc/self/status"));
        seen.max_files = max_files(&read("/proc/self/limits"));
        // The one that lists them is none of them.
        let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1));
        seen.open_files = open.and_then(|number| u64::try_from(number).ok());
        seen
    }

    fn read_stat(&mut self, own: &str, of_machine: &str) {
        // The name in brackets may hold anything; what is counted here comes after it.
        let Some((_, rest)) = own.rsplit_once(')') else { return };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
        if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
            self.cpu_seconds = Some((user + system) / TICKS_PER_SECOND);
        }
        let boot = of_machine.lines().find_map(|line| line.strip_prefix("btime "));
        let boot = boot.and_then(|seconds| seconds.trim().parse::<f64>().ok());
        if let (Some(boot), Some(started)) = (boot, ticks(19)) {
            self.start_seconds = Some(boot + started / TICKS_PER_SECOND);
        }
    }

    fn read_status(&mut self, status: &str) {
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let bytes = |name: &str| number(name).map(|kibibytes| kibibytes.saturating_mul(1024));
        self.resident_bytes = bytes("VmRSS:");
        self.virtual_bytes = bytes("VmSize:");
        self.threads = number("Threads:");
    }
}

fn max_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "exact below eight petabytes")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read_whatever_the_program_is_called() {
        let mut seen = Seen::default();
        let own = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 250 150 0 0 20 0 9 0 5000 1 2 3";
        seen.read_stat(own, "cpu 1 2 3\nbtime 1700000000\nprocesses 4\n");
        assert_eq!(seen.cpu_seconds, Some(4.0));
        assert_eq!(seen.start_seconds, Some(1_700_000_050.0));
        seen.read_status("Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t 1024 kB\nThreads:\t9\n");
        assert_eq!((seen.virtual_bytes, seen.resident_bytes), (Some(2 << 20), Some(1 << 20)));
        assert_eq!(seen.threads, Some(9));
        assert_eq!(max_files("Max open files            1024      4096      files\n"), Some(1024));
        assert_eq!(max_files("Max open files            unlimited unlimited files\n"), None);
    }

    #[test]
    fn where_nothing_can_be_read_nothing_is_said() {
        let mut seen = Seen::default();
        seen.read_stat("", "");
        seen.read_stat("7 (a) S", "btime x");
        seen.read_status("VmRSS: much\n");
        assert!(seen.cpu_seconds.is_none() && seen.start_seconds.is_none());
        assert!(seen.resident_bytes.is_none());
    }
}
