//! What the numbers must be and must mean together. Each fault is one sentence that names the field and what is
//! allowed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use hubline::config::duration;

use super::{
    DampingParameters, FEWEST_SAMPLES, Failback, FailoverParameters, HealthParameters, HubFailover, ProbeParameters,
    RampParameters, Share, VarianceParameters,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);
/// So that the ramp's steps stay few writes at the target.
const MOST_STEPS: usize = 10;

/// Faults of the fields under one prefix.
struct Faults<'a> {
    prefix: &'a str,
    found: &'a mut Vec<String>,
}

impl Faults<'_> {
    fn time(&mut self, field: &str, time: Duration, allowed: &RangeInclusive<Duration>) {
        if !allowed.contains(&time) {
            let (shortest, longest) = (duration::format(*allowed.start()), duration::format(*allowed.end()));
            self.refuse(field, duration::format(time), format_args!("{shortest} to {longest}"));
        }
    }

    fn count(&mut self, field: &str, count: u32, allowed: &RangeInclusive<u32>) {
        if !allowed.contains(&count) {
            self.refuse(field, count, format_args!("{} to {}", allowed.start(), allowed.end()));
        }
    }

    fn refuse(&mut self, field: &str, value: impl Display, allowed: impl Display) {
        let prefix = self.prefix;
        self.found
            .push(format!("{prefix}.{field}: {value} is not allowed; allowed: {allowed}"));
    }
}

impl ProbeParameters {
    /// Adds what is wrong; `prefix` is the field's place, as `clusters.0.paths.1.probe`.
    pub fn validate(&self, prefix: &str, found: &mut Vec<String>) {
        let mut faults = Faults { prefix, found };
        if let Some(interval) = self.interval {
            let allowed = Duration::from_millis(50)..=Duration::from_secs(60);
            faults.time("interval", interval, &allowed);
        }
        if let Some(timeout) = self.timeout {
            faults.time("timeout", timeout, &(Duration::from_millis(10)..=TEN_SECONDS));
        }
        faults.time("backOff.after", self.back_off.after, &(Duration::ZERO..=DAY));
        // A path that is probed less often would seem to say nothing: see `health::FRESH_FOR`.
        let slow = SECOND..=Duration::from_secs(15);
        faults.time("backOff.interval", self.back_off.interval, &slow);
    }
}

impl HealthParameters {
    /// Adds what is wrong; `prefix` is the field's place, as `clusters.0.paths.1.health`.
    pub fn validate(&self, prefix: &str, found: &mut Vec<String>) {
        let mut faults = Faults { prefix, found };
        faults.count("rise", self.rise, &(1..=100));
        faults.count("fall", self.fall, &(1..=100));
        faults.time("window", self.window, &(SECOND..=HOUR));
        faults.count("lossPercent", self.loss_percent, &(1..=100));
        if let Some(latency) = self.latency {
            faults.time("latency", latency, &(Duration::from_millis(1)..=TEN_SECONDS));
        }
    }

    /// Adds a fault when the window is too short to judge loss by probes at this interval.
    pub fn validate_window(&self, interval: Duration, prefix: &str, found: &mut Vec<String>) {
        let shortest = interval.saturating_mul(FEWEST_SAMPLES);
        if self.window < shortest {
            let shortest = duration::format(shortest);
            let allowed = format_args!("{shortest} and more, {FEWEST_SAMPLES} probe intervals");
            Faults { prefix, found }.refuse("window", duration::format(self.window), allowed);
        }
    }
}

impl FailoverParameters {
    /// Adds what is wrong; `prefix` is the field's place, as `clusters.0.failover`.
    pub fn validate(&self, prefix: &str, found: &mut Vec<String>) {
        let mut faults = Faults { prefix, found };
        faults.time("minimumHold", self.minimum_hold, &(SECOND..=DAY));
        if let Failback::Delay(delay) = self.failback {
            faults.time("failback.delay", delay, &(Duration::ZERO..=DAY));
        }
        faults.count("maxSwitchesPerHour", self.max_switches_per_hour, &(1..=60));
        damping(&self.damping, &mut faults);
        ramp(&self.ramp, &mut faults);
        variance(&self.variance, &mut faults);
    }
}

impl HubFailover {
    /// Adds what is wrong; `prefix` is the field's place: `failover`.
    pub fn validate(&self, prefix: &str, found: &mut Vec<String>) {
        let mut faults = Faults { prefix, found };
        if self.suspicion_share < Share::thousandths(100) {
            faults.refuse("suspicionShare", f64::from(self.suspicion_share), "0.1 to 1");
        }
        faults.time("suspicionWindow", self.suspicion_window, &(SECOND..=HOUR));
    }
}

fn damping(damping: &DampingParameters, faults: &mut Faults<'_>) {
    faults.count("damping.penalty", damping.penalty, &(1..=1_000_000));
    faults.time("damping.halfLife", damping.half_life, &(SECOND..=DAY));
    faults.count("damping.reuse", damping.reuse, &(1..=1_000_000));
    if damping.suppress <= damping.reuse {
        let allowed = format_args!("more than damping.reuse, {}", damping.reuse);
        faults.refuse("damping.suppress", damping.suppress, allowed);
    }
    faults.time("damping.max", damping.max, &(SECOND..=DAY));
}

fn ramp(ramp: &RampParameters, faults: &mut Faults<'_>) {
    let percents = &ramp.percents;
    let each = percents.iter().all(|percent| (1..=99).contains(percent));
    let rising = percents.is_sorted_by(|left, right| left < right);
    if !each || !rising || percents.len() > MOST_STEPS {
        let value = format!("{percents:?}");
        faults.refuse(
            "ramp.percents",
            value,
            format_args!("at most {MOST_STEPS} of 1 to 99, rising"),
        );
    }
    faults.time("ramp.step", ramp.step, &(SECOND..=HOUR));
}

fn variance(variance: &VarianceParameters, faults: &mut Faults<'_>) {
    faults.count("variance.percent", variance.percent, &(0..=99));
    faults.time("variance.atLeast", variance.at_least, &(Duration::ZERO..=TEN_SECONDS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PathKind;

    fn faults_of<T: serde::de::DeserializeOwned>(yaml: &str, validate: fn(&T, &str, &mut Vec<String>)) -> Vec<String> {
        let read: T = serde_saphyr::from_str(yaml).unwrap();
        let mut found = Vec::new();
        validate(&read, "x", &mut found);
        found
    }

    #[test]
    fn the_defaults_are_allowed_and_survive_being_written() {
        let failover = FailoverParameters::default();
        let mut found = Vec::new();
        failover.validate("failover", &mut found);
        HealthParameters::default().validate("health", &mut found);
        let probe = ProbeParameters::default();
        probe.validate("probe", &mut found);
        let slowest = probe.resolved(PathKind::PublicNetwork).interval_without_echo;
        HealthParameters::default().validate_window(slowest, "health", &mut found);
        HubFailover::default().validate("failover", &mut found);
        assert_eq!(found, Vec::<String>::new());
        let text = serde_json::to_string(&failover).unwrap();
        assert_eq!(serde_json::from_str::<FailoverParameters>(&text).unwrap(), failover);
        assert!(text.contains(r#""failback":{"delay":"5m"}"#), "{text}");
    }

    #[test]
    fn failover_is_read_and_its_faults_are_named() {
        let cases: [(&str, &[&str]); 10] = [
            ("failback: manual", &[]),
            ("failback: {delay: 0s}", &[]),
            ("ramp: {percents: [10, 50], step: 1m}", &[]),
            (
                "minimumHold: 10ms",
                &["x.minimumHold: 10ms is not allowed; allowed: 1s to 24h"],
            ),
            (
                "maxSwitchesPerHour: 0",
                &["x.maxSwitchesPerHour: 0 is not allowed; allowed: 1 to 60"],
            ),
            (
                "failback: {delay: 25h}",
                &["x.failback.delay: 25h is not allowed; allowed: 0ms to 24h"],
            ),
            (
                "damping: {suppress: 1000}",
                &["x.damping.suppress: 1000 is not allowed; allowed: more than damping.reuse, 1000"],
            ),
            (
                "ramp: {percents: [50, 10]}",
                &["x.ramp.percents: [50, 10] is not allowed; allowed: at most 10 of 1 to 99, rising"],
            ),
            (
                "ramp: {percents: [100]}",
                &["x.ramp.percents: [100] is not allowed; allowed: at most 10 of 1 to 99, rising"],
            ),
            (
                "variance: {percent: 100}",
                &["x.variance.percent: 100 is not allowed; allowed: 0 to 99"],
            ),
        ];
        for (yaml, expected) in cases {
            assert_eq!(faults_of(yaml, FailoverParameters::validate), expected, "{yaml}");
        }
    }

    #[test]
    fn probe_health_and_hub_faults_are_named() {
        let probe = faults_of("{interval: 1ms, timeout: 11s}", ProbeParameters::validate);
        assert_eq!(
            probe,
            [
                "x.interval: 1ms is not allowed; allowed: 50ms to 1m",
                "x.timeout: 11s is not allowed; allowed: 10ms to 10s"
            ]
        );
        let health = faults_of("{rise: 0, fall: 101, lossPercent: 0}", HealthParameters::validate);
        assert_eq!(health.len(), 3, "{health:?}");
        let hub = faults_of("suspicionShare: 0.05", HubFailover::validate);
        assert_eq!(hub, ["x.suspicionShare: 0.05 is not allowed; allowed: 0.1 to 1"]);
        assert!(serde_saphyr::from_str::<HubFailover>("suspicionShare: 1.5").is_err());
        assert!(serde_saphyr::from_str::<FailoverParameters>("hold: 30s").is_err());
        let mut found = Vec::new();
        HealthParameters::default().validate_window(Duration::from_secs(2), "x", &mut found);
        assert_eq!(
            found,
            ["x.window: 30s is not allowed; allowed: 40s and more, 20 probe intervals"]
        );
    }

    #[test]
    fn the_interval_follows_the_kind() {
        let resolved = ProbeParameters::default().resolved(PathKind::PrivateLine);
        assert_eq!(resolved.interval, Duration::from_millis(250));
        assert_eq!(resolved.interval_without_echo, SECOND);
        assert_eq!(
            ProbeParameters::default().resolved(PathKind::PublicNetwork).interval,
            SECOND
        );
        let given: ProbeParameters = serde_saphyr::from_str("interval: 100ms").unwrap();
        assert_eq!(
            given.resolved(PathKind::PublicNetwork).interval,
            Duration::from_millis(100)
        );
    }
}
