//! Compiles `proto/` without `protoc`: protox is a protobuf compiler in Rust.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["hubline/v1/model.proto", "hubline/v1/stream.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .build_transport(true)
        .compile_fds(descriptors)?;
    Ok(())
}
