//! Queues of work: compute queues, which run kernels, and SDMA queues, which copy.

pub mod pm4;
