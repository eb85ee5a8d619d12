use std::fs;
use std::time::Duration;

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;

use super::Engine;

/// What a module uses of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Memory in bytes: what is resident of a process, or what a container cannot give back.
    pub memory_bytes: u64,
    /// Time on a processor since its start.
    pub processor: Duration,
}

impl Usage {
    /// Of a process of this machine, from `/proc`; nothing once it has ended.
    pub(crate) fn of_process(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Fields 14 and 15 (proc(5)), counted from behind the name, which may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields = fields.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap_or(0)).sum();
        let a_second = rustix::param::clock_ticks_per_second();
        Some(Self {
            memory_bytes: kib * 1024,
            processor: Duration::from_millis(ticks * 1000 / a_second.max(1)),
        })
    }

    fn of_stats(stats: &ContainerStatsResponse) -> Option<Self> {
        let memory = stats.memory_stats.as_ref()?;
        // Files that could be dropped from the cache at once are not counted, as `docker stats` has it.
        let detail = memory.stats.as_ref();
        let cache = detail.and_then(|detail| {
            let names = ["inactive_file", "total_inactive_file"];
            names.into_iter().find_map(|name| detail.get(name))
        });
        let processor = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?;
        Some(Self {
            memory_bytes: memory.usage?.saturating_sub(cache.copied().unwrap_or(0)),
            processor: Duration::from_nanos(processor.total_usage?),
        })
    }
}

impl Engine {
    /// Of a container, all its processes together; nothing while it does not run.
    pub(crate) async fn usage(&self, container: &str) -> Option<Usage> {
        let once = StatsOptionsBuilder::new().stream(false).one_shot(true);
        let stats = self.docker().stats(container, Some(once.build()));
        let stats = std::pin::pin!(stats).next().await?.ok()?;
        Usage::of_stats(&stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_uses_something() {
        let usage = Usage::of_process(std::process::id()).expect("it runs");
        assert!(usage.memory_bytes > 100_000, "{usage:?}");
        assert_eq!(Usage::of_process(u32::MAX), None);
    }

    #[test]
    fn a_cache_is_no_use_of_memory() {
        let stats = |name: &str| {
            let stats = format!(
                "{{\"memory_stats\": {{\"usage\": 900, \"stats\": {{\"{name}\": 400}}}},
                   \"cpu_stats\": {{\"cpu_usage\": {{\"total_usage\": 7000000}}}}}}"
            );
            serde_json::from_str(&stats).expect("as the engine has it")
        };
        for (name, memory_bytes) in [
            ("inactive_file", 500),
            ("total_inactive_file", 500),
            ("other", 900),
        ] {
            let usage = Usage::of_stats(&stats(name));
            let processor = Duration::from_millis(7);
            assert_eq!(
                usage,
                Some(Usage {
                    memory_bytes,
                    processor
                })
            );
        }
        assert_eq!(Usage::of_stats(&ContainerStatsResponse::default()), None);
    }
}
