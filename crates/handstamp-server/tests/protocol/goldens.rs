//! Every request and reply of one scenario, frozen per epoch, so that no answer changes unnoticed.

use std::path::Path;

use super::*;

mod scenario;
mod scribe;

use scenario::scenario;

const HOW: &str = "UPDATE_GOLDENS=1 cargo test -p handstamp-server --test protocol goldens";
#[tokio::test]
async fn each_epoch_answers_as_it_did() {
    let update = std::env::var("UPDATE_GOLDENS").is_ok();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!(update && ci), "UPDATE_GOLDENS is not for CI");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/goldens");
    let mut changed = Vec::new();
    for version in SPOKEN.iter().copied() {
        let epoch = cdi::epochs().filter(|first| *first <= version).last();
        let epoch = epoch.unwrap();
        let text = scenario(version, epoch).await;
        let path = folder.join(format!("{epoch}.txt"));
        if update && version == epoch {
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
            changed.push(format!(
                "{version}, {epoch}.txt:{}\n  was {was}\n  now {now}",
                at + 1
            ));
        }
    }
    assert!(
        changed.is_empty(),
        "Answers changed. If that is on purpose: {HOW}\n{}",
        changed.join("\n")
    );
}
