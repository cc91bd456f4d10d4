//! Going on from a finished run, and starting from another model's weights.

use crate::support::{config, kind, losses, train, weights, world};
use regimen_recipe::testing::run_stage;

#[test]
fn an_extended_run_is_the_run_that_was_longer_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 40, |_, text| text).tokens;
    let short = train(dir.path(), &tokens, &config(6, "")).unwrap();
    let long = train(dir.path(), &tokens, &config(14, "")).unwrap();
    let inputs = [("tokens", &tokens), ("extend", &short)];
    let extended = run_stage(kind("pretrain"), &config(14, ""), dir.path(), &inputs, 5).unwrap();
    assert_eq!(weights(&long), weights(&extended));
    assert_eq!(losses(dir.path(), &long)[6..], losses(dir.path(), &extended));
    assert_ne!(weights(&short), weights(&long));

    let fails =
        |config: &str, seed| run_stage(kind("pretrain"), config, dir.path(), &inputs, seed).unwrap_err();
    assert!(fails(&config(3, ""), 5).to_string().contains("already has 6 steps"));
    assert!(fails(&config(14, ""), 6).to_string().contains("seed"));
    assert!(fails(&config(6, ""), 5).to_string().contains("already has 6 steps"), "nothing would be trained");
    let both = [("tokens", &tokens), ("extend", &short), ("init", &long)];
    let failure = run_stage(kind("pretrain"), &config(14, ""), dir.path(), &both, 5).unwrap_err();
    assert!(failure.to_string().starts_with("`init`"), "{failure}");
    let other = config(14, "").replace("width = 16", "width = 32");
    assert!(fails(&other, 5).to_string().contains("`extend`: its model is"));
}

#[test]
fn a_warm_start_begins_where_the_other_model_ended() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 40, |_, text| text).tokens;
    let settings = config(60, "optimizer = { lr = 0.01 }");
    let base = train(dir.path(), &tokens, &settings).unwrap();
    let inputs = [("tokens", &tokens), ("init", &base)];
    let warm = run_stage(kind("pretrain"), &config(5, ""), dir.path(), &inputs, 5).unwrap();
    let (cold, warm) = (losses(dir.path(), &base), losses(dir.path(), &warm));
    assert!(cold[0].1 > 5.0 && warm[0].1 < cold[0].1 - 2.0, "{} {}", cold[0].1, warm[0].1);

    let other = config(5, "").replace("layers = 2", "layers = 1");
    let failure = run_stage(kind("pretrain"), &other, dir.path(), &inputs, 5).unwrap_err();
    assert!(failure.to_string().contains("`init`: its model is"), "{failure}");
}
