//! The process and its runtime, under the names that every Prometheus client library uses.

use super::gauge;
use procfs::process::{LimitValue, Process};
use procfs::{CurrentSI as _, WithCurrentSystemInfo as _};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use std::fmt;

pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
    super::own(registry).register_collector(Box::new(RuntimeCollector));
}

#[derive(Debug)]
struct ProcessCollector;

const NO_LABELS: [(&str, &str); 0] = [];

impl Collector for ProcessCollector {
    /// Where `/proc` cannot be read there are no such series.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(seen) = read() else { return Ok(()) };
        let text = "User and system CPU time spent, in seconds";
        let counter = encoder.encode_descriptor("process_cpu_seconds", text, None, MetricType::Counter)?;
        ConstCounter::new(seen.cpu_seconds).encode(counter)?;
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory, in bytes", seen.resident),
            ("process_virtual_memory_bytes", "Virtual memory, in bytes", seen.virtual_memory),
            ("process_open_fds", "File descriptors that are open", seen.open_files),
            ("process_max_fds", "File descriptors that may be open", seen.most_files),
            ("process_start_time_seconds", "When the process started, in seconds since 1970", seen.started),
            ("process_threads", "Threads of the operating system", seen.threads),
        ];
        for (name, text, value) in gauges {
            gauge(&mut encoder, name, text, [(NO_LABELS, value)])?;
        }
        Ok(())
    }
}

struct Seen {
    cpu_seconds: f64,
    resident: f64,
    virtual_memory: f64,
    open_files: f64,
    most_files: f64,
    started: f64,
    threads: f64,
}

fn read() -> Option<Seen> {
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks = procfs::ticks_per_second() as f64;
    let booted = procfs::KernelStats::current().ok()?.btime as f64;
    let limit = match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Unlimited => f64::INFINITY,
        LimitValue::Value(most) => most as f64,
    };
    Some(Seen {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        resident: stat.rss_bytes().get() as f64,
        virtual_memory: stat.vsize as f64,
        open_files: process.fd_count().ok()? as f64,
        most_files: limit,
        started: booted + stat.starttime as f64 / ticks,
        threads: stat.num_threads as f64,
    })
}

/// What the asynchronous runtime has to do.
#[derive(Debug)]
struct RuntimeCollector;

impl Collector for RuntimeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Ok(()) };
        let metrics = runtime.metrics();
        let gauges = [
            ("runtime_workers", "Threads that run tasks", metrics.num_workers()),
            ("runtime_alive_tasks", "Tasks that have not ended", metrics.num_alive_tasks()),
            ("runtime_global_queue_depth", "Tasks that wait for a thread", metrics.global_queue_depth()),
        ];
        for (name, text, value) in gauges {
            gauge(&mut encoder, name, text, [(NO_LABELS, value as f64)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_process_sees_itself() {
        let seen = read().expect("the tests run on Linux");
        assert!(seen.resident > 1e6 && seen.open_files >= 3.0 && seen.open_files <= seen.most_files);
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!((now - seen.started) < 600.0 && seen.started <= now + 1.0, "{} is not now, {now}", seen.started);
    }
}
