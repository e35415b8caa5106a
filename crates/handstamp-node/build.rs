//! Tells the linker what an addon for Node.js needs.

fn main() {
    napi_build::setup();
}
