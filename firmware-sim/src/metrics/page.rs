//! Samples, and their text as OpenMetrics.

use super::instruments::{Instrument, Kind};
use llm_slowpath::Buckets;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What the text's `Content-Type` is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A label's value: of a table in the code, or of the configuration.
pub(super) type Text = Cow<'static, str>;

/// One value.
#[derive(Debug)]
pub(super) enum Value {
    Count(u64),
    Amount(f64),
    /// Bounds in seconds, each with what is in its bucket alone; their sum.
    Buckets(Vec<(f64, u64)>, f64),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f64> for Value {
    fn from(amount: f64) -> Self {
        Self::Amount(amount)
    }
}

impl<const N: usize> From<&Buckets<N>> for Value {
    fn from(buckets: &Buckets<N>) -> Self {
        let seconds = |bound: Option<Duration>| bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
        let bounds = buckets.iter().map(|(bound, count)| (seconds(bound), count));
        Self::Buckets(bounds.collect(), buckets.sum().as_secs_f64())
    }
}

/// All samples of an instrument.
#[derive(Debug)]
struct Family {
    instrument: &'static Instrument,
    samples: Vec<(Vec<Text>, Value)>,
}

/// Everything that a scrape is told.
#[derive(Debug, Default)]
pub(super) struct Page(Vec<Family>);

impl Page {
    /// Adds an instrument's samples, each with its labels' values in their order.
    pub(super) fn add<const N: usize, V: Into<Value>>(
        &mut self,
        instrument: &'static Instrument,
        samples: impl IntoIterator<Item = ([Text; N], V)>,
    ) {
        debug_assert_eq!(N, instrument.labels.len(), "{}", instrument.stem);
        let samples = samples.into_iter().map(|(labels, value)| (labels.into(), value.into()));
        self.0.push(Family { instrument, samples: samples.collect() });
    }

    /// Adds an instrument's only sample, without labels.
    pub(super) fn one(&mut self, instrument: &'static Instrument, value: impl Into<Value>) {
        self.add(instrument, [([], value)]);
    }

    /// Adds the samples of an instrument with one label.
    pub(super) fn by<V: Into<Value>>(
        &mut self,
        instrument: &'static Instrument,
        samples: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        self.add(instrument, samples.into_iter().map(|(label, value)| ([label.into()], value)));
    }

    /// As text, with its end mark.
    pub(super) fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::with_capacity(128 * 1024);
        text::encode(&mut text, &registry).expect("a string takes any text");
        text
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { instrument, samples } in &self.0 {
            let unit = instrument.unit.map(|unit| Unit::Other(unit.into()));
            let kind = match instrument.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut family =
                encoder.encode_descriptor(instrument.stem, instrument.help, unit.as_ref(), kind)?;
            for (values, value) in samples {
                if values.is_empty() {
                    sample(&mut family, instrument.kind, value)?;
                } else {
                    let labels: Vec<_> =
                        instrument.labels.iter().copied().zip(values.iter().map(AsRef::as_ref)).collect();
                    sample(&mut family.encode_family(&labels)?, instrument.kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn sample(encoder: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (value, kind) {
        (Value::Count(count), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
        (Value::Amount(amount), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(amount, None),
        (Value::Count(count), _) => encoder.encode_gauge(count),
        (Value::Amount(amount), _) => encoder.encode_gauge(amount),
        (Value::Buckets(buckets, sum), _) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
