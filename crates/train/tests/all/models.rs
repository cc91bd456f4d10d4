//! Every shape of decoder trains, and bad configs are refused before anything runs.

use crate::support::{config, losses, train, world};

#[test]
fn every_shape_learns() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 40, |_, text| text).tokens;
    let shapes = [
        "",
        ", norm = \"layer\", positions = \"learned\", mlp = \"gelu\", bias = true",
        ", kv_heads = 1, tied = false, ff = 20",
        ", head_dim = 4, mlp = \"gelu\", norm = \"layer\"",
    ];
    for shape in shapes {
        let settings = config(40, "optimizer = { lr = 0.01 }\nz_loss = 1e-4")
            .replace("context = 24", &format!("context = 24{shape}"));
        let model = train(dir.path(), &tokens, &settings).unwrap();
        let losses = losses(dir.path(), &model);
        let (first, last) = (losses[0].1, losses[39].1);
        assert!(first > 5.3 && first < 5.8, "ln 257 = 5.55 at the start, {first} with {shape:?}");
        assert!(last < first - 2.0, "{first} -> {last} with {shape:?}");
        let bpb = model.manifest.summary["validation"]["bpb"].as_f64().unwrap();
        assert!(bpb < 5.0, "{bpb} bits per byte with {shape:?}");
    }
}

#[test]
fn a_context_longer_than_any_document_and_several_epochs_are_fine() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 12, |_, text| text).tokens;
    let settings = config(12, "").replace("context = 24", "context = 900");
    let model = train(dir.path(), &tokens, &settings).unwrap();
    assert!(model.manifest.summary["epochs"].as_f64().unwrap() > 2.0);
}

#[test]
fn bad_configs_name_field_and_value() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = world(dir.path(), 12, |_, text| text).tokens;
    let cases = [
        ("heads = 2", "heads = 3", "3 heads do not divide a width of 16"),
        ("heads = 2", "heads = 2, kv_heads = 3", "kv_heads"),
        ("warmup = 1", "warmup = 12", "warm-up of 12 steps in a run of 12"),
        ("steps = 12", "steps = 12\ndevice = \"cuda\"", "cuda"),
        ("steps = 12", "steps = 0", "steps"),
        ("batch = 4", "batch = 9223372036854775807", "batch"),
        ("context = 24", "context = 4294967295", "context"),
        ("layers = 2", "layers = 100000000", "layers"),
        ("width = 16", "width = 1048576", "training needs about "),
        (
            "layers = 2, width = 16, heads = 2, context = 24",
            "layers = 4096, width = 1048576, heads = 2, context = 1048576",
            "training needs about ",
        ),
    ];
    for (from, to, words) in cases {
        let failure = train(dir.path(), &tokens, &config(12, "").replace(from, to)).unwrap_err();
        assert!(failure.to_string().contains(words), "{to}: {failure}");
        assert!(failure.hint().is_some(), "{to}: no hint");
    }
}
