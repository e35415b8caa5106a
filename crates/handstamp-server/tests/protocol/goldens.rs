//! Every request and reply of one scenario, frozen per epoch, so that no answer changes unnoticed.

use std::path::Path;

use super::*;

mod scenario;
mod scribe;

use scenario::scenario;

const HOW: &str = "UPDATE_GOLDENS=1 cargo test -p handstamp-server --test protocol goldens";
const EPOCHS: [&str; 15] = [
    "1.0", "2.0", "2.2", "2.3", "2.4", "2.6", "2.7", "2.8", "2.9", "2.16", "2.21", "3.0", "4.0",
    "5.0", "5.6",
];

#[tokio::test]
async fn each_epoch_answers_as_it_did() {
    let update = std::env::var("UPDATE_GOLDENS").is_ok();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!(update && ci), "UPDATE_GOLDENS is not for CI");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/goldens");
    let mut changed = Vec::new();
    for epoch in EPOCHS {
        let text = scenario(Version::spoken(epoch).unwrap()).await;
        let path = folder.join(format!("{epoch}.txt"));
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if golden != text {
            let (at, now) = text
                .lines()
                .enumerate()
                .find(|(at, line)| golden.lines().nth(*at) != Some(line))
                .unwrap_or((text.lines().count(), "(end)"));
            let was = golden.lines().nth(at).unwrap_or("(end)");
            changed.push(format!("{epoch}.txt:{}\n  was {was}\n  now {now}", at + 1));
        }
    }
    assert!(
        changed.is_empty(),
        "Answers changed. If that is on purpose: {HOW}\n{}",
        changed.join("\n")
    );
}
