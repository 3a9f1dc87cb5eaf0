//! Generated from `proto/hubline/v1`.
tonic::include_proto!("hubline.v1");
