//! Builds the kube-apiserver and etcd of the tests if they are missing, and prints their folder.
#![expect(clippy::print_stdout, reason = "a command's answer")]

fn main() -> anyhow::Result<()> {
    let folder = hubline_sandbox::kube::assets::folder()?;
    println!("{}", folder.display());
    Ok(())
}
