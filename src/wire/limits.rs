//! Bounds of the stream. Each is checked before memory is spent.

/// Largest message in bytes: tonic's own default. Parts are cut far below it, so that one large resource still fits.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Where snapshot parts and deltas are cut, in bytes. DESIGN section 4 allows 1 MiB; both sides keep buffers of the
/// largest message that there was for as long as a stream lives (twice its size), which with a thousand agents is
/// memory: 64 KiB cost a hub 126 KB for each.
pub const PART_BYTES: usize = 1 << 14;

/// Largest encoded resource in bytes. APISIX's Admin API refuses bodies over 1.5 MiB, so a larger one could never be written.
pub const MAX_RESOURCE_BYTES: usize = 3 << 19;

/// Longest part of a key in bytes: Kubernetes names have 253, and a section carries a host (253) and a path.
pub const MAX_KEY_PART_BYTES: usize = 4096;

/// Most resources of one cluster. Ten times the design's average of 1,300 (100,000 routes with a service and
/// endpoints each, over 1,000 clusters: 300) would be little; one big cluster may carry them all.
pub const MAX_RESOURCES: u64 = 1_000_000;

/// Most bytes of one snapshot. 1,000,000 resources of 512 bytes.
pub const MAX_SNAPSHOT_BYTES: u64 = 512 << 20;

/// Most groups an agent speaks of: 11 kinds from some 20 kinds of source, most of which make one or two.
pub const MAX_GROUPS: usize = 128;

/// Finest division of a group into buckets, as a power of two. 1,024 buckets of 16 bytes fit one message.
pub const MAX_BUCKET_BITS: u32 = 10;

/// Longest text for people in bytes, as Kubernetes bounds the note of an Event (1 kB). Longer ones are shortened.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// Most bytes of one message of texts for people: diagnostics, statuses and held changes, which are cut by count too.
pub const TEXTS_BYTES: usize = 1 << 18;

/// Most diagnostics that travel, and most held changes in an acknowledgement; how many more there are is said.
pub const MAX_DIAGNOSTICS: usize = 1_000;

/// Most addresses of a target, and so most in the status of an Ingress: far more than a load balancer has.
pub const MAX_ADDRESSES: usize = 64;

/// Most resource statuses in one message: 50 of some 200 bytes, since each stream of a hub keeps room for the longest
/// message that it ever sent, twice. Where they are longer [`TEXTS_BYTES`] cuts them.
pub const STATUS_BATCH: usize = 50;
