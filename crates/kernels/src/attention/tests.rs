use super::*;
use crate::rope::RopeTable;
use crate::testing::{assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide};

/// `(out, lse)` in f64, score by score.
fn naive(s: &AttentionShape, qkv: &[f64], rows: AttentionRows<'_>) -> (Vec<f64>, Vec<f64>) {
    let (d, width) = (s.head_dim, s.qkv_width());
    let qkv = &turned(s, qkv, rows.rope)[..];
    let mut out = vec![0.0; s.batch * s.time * s.out_width()];
    let mut lse = vec![0.0; s.lse_len()];
    for (b, h, i) in
        (0..s.batch).flat_map(|b| (0..s.heads).flat_map(move |h| (0..s.time).map(move |i| (b, h, i))))
    {
        let row = |t: usize, head: usize| &qkv[(b * s.time + t) * width + head * d..][..d];
        let kv = h / s.group();
        let keys = rows.keys(b * s.time + i, i);
        let score = |j: usize| dot64(row(i, h), row(j, s.heads + kv)) / (d as f64).sqrt();
        let sum: f64 = keys.clone().map(|j| score(j).exp()).sum();
        lse[(b * s.heads + h) * s.time + i] = sum.ln();
        for j in keys {
            let (p, v) = (score(j).exp() / sum, row(j, s.heads + s.kv_heads + kv));
            for c in 0..d {
                out[(b * s.time + i) * s.out_width() + h * d + c] += p * v[c];
            }
        }
    }
    (out, lse)
}

fn shape(batch: usize, time: usize, heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape { batch, time, heads, kv_heads, head_dim }
}

/// Queries and keys turned by their angles, in f64.
fn turned(s: &AttentionShape, qkv: &[f64], rope: Option<(&RopeTable, &[u32])>) -> Vec<f64> {
    let mut qkv = qkv.to_vec();
    let Some((_, positions)) = rope else { return qkv };
    let (d, half) = (s.head_dim, s.head_dim / 2);
    for (row, &position) in qkv.chunks_mut(s.qkv_width()).zip(positions) {
        for head in row[..(s.heads + s.kv_heads) * d].chunks_mut(d) {
            for i in 0..half {
                let angle = f64::from(position) * 100f64.powf(-(i as f64) / half as f64);
                let (x, y) = (head[i], head[i + half]);
                head[i] = x * angle.cos() - y * angle.sin();
                head[i + half] = y * angle.cos() + x * angle.sin();
            }
        }
    }
    qkv
}

/// What rows see: starts, ends, positions.
struct Mask {
    starts: Vec<u32>,
    ends: Option<Vec<u32>>,
    positions: Option<Vec<u32>>,
}

impl Mask {
    fn rows<'a>(&'a self, table: &'a RopeTable) -> AttentionRows<'a> {
        AttentionRows {
            starts: &self.starts,
            ends: self.ends.as_deref(),
            rope: self.positions.as_deref().map(|positions| (table, positions)),
        }
    }
}

/// Causal; packed documents, and one document, with a few hidden tokens; a window; both ways; both ways within documents; rotary positions
/// where the head can be halved.
fn masks(s: &AttentionShape) -> Vec<Mask> {
    let (rows, t) = (s.batch * s.time, s.time);
    let at = |r: usize| (r % t) as u32;
    let bounds = [0, (t / 3) as u32, (2 * t / 3) as u32, t as u32];
    let document = |i: u32| bounds.windows(2).find(|b| b[0] <= i && i < b[1]).unwrap();
    let packed: Vec<u32> = (0..rows).map(|r| document(at(r))[0]).collect();
    let hide = |start: u32, r: usize| if r % 5 == 2 { at(r) } else { start };
    let hidden = (0..rows).map(|r| hide(packed[r], r)).collect();
    let alone = (0..rows).map(|r| hide(0, r)).collect();
    let window = (0..rows).map(|r| (at(r) + 1).saturating_sub(9)).collect();
    let ends = (0..rows).map(|r| document(at(r))[1]).collect();
    let positions = (0..rows).map(|r| at(r) - packed[r]).collect::<Vec<u32>>();
    let plain = |starts, ends| Mask { starts, ends, positions: None };
    let mut all = vec![
        plain(vec![0; rows], None),
        plain(hidden, None),
        plain(alone, None),
        plain(window, None),
        plain(vec![0; rows], Some(vec![t as u32; rows])),
        plain(packed.clone(), Some(ends)),
    ];
    if s.head_dim.is_multiple_of(2) {
        all.push(Mask { starts: packed, ends: None, positions: Some(positions) });
    }
    all
}

fn table(s: &AttentionShape) -> RopeTable {
    RopeTable::new(s.head_dim / 2 * 2, 100.0, s.time)
}

#[test]
fn forward_matches_f64() {
    for s in [
        shape(1, 1, 1, 1, 1),
        shape(2, 7, 2, 1, 5),
        shape(1, 150, 4, 2, 8),
        shape(2, 131, 3, 3, 16),
        shape(1, 300, 1, 1, 48),
        shape(1, 113, 2, 2, 64),
    ] {
        let qkv: Vec<f32> = values(s.batch * s.time * s.qkv_width(), 1).iter().map(|v| 2.0 * v).collect();
        let table = table(&s);
        for mask in masks(&s) {
            let rows = mask.rows(&table);
            let (mut out, mut lse) = (vec![9.0; s.batch * s.time * s.out_width()], vec![9.0; s.lse_len()]);
            attention_forward(s, &qkv, rows, &mut out, Some(&mut lse));
            let (want, want_lse) = naive(&s, &wide(&qkv), rows);
            assert_close(&out, &want, 1e-5);
            assert_close(&lse, &want_lse, 1e-5);
            let mut again = vec![0.0; out.len()];
            attention_forward(s, &qkv, rows, &mut again, None);
            assert_eq!(out, again);
        }
    }
}

#[test]
fn gradient_matches_f64() {
    for s in [shape(1, 1, 1, 1, 2), shape(2, 5, 2, 1, 3), shape(1, 13, 2, 2, 4), shape(1, 6, 4, 2, 6)] {
        let qkv: Vec<f32> = values(s.batch * s.time * s.qkv_width(), 1).iter().map(|v| 2.0 * v).collect();
        let table = table(&s);
        for mask in masks(&s) {
            let rows = mask.rows(&table);
            let (mut out, mut lse) = (vec![0.0; s.batch * s.time * s.out_width()], vec![0.0; s.lse_len()]);
            attention_forward(s, &qkv, rows, &mut out, Some(&mut lse));
            let (dout, mut dqkv) = (values(out.len(), 2), vec![9.0; qkv.len()]);
            attention_backward(s, &qkv, rows, &out, &lse, &dout, &mut dqkv);
            let want = numeric_gradient(&wide(&qkv), |x| dot64(&naive(&s, x, rows).0, &wide(&dout)));
            assert_close(&dqkv, &want, 1e-4);
        }
    }
}

#[test]
fn gradient_over_several_blocks_follows_a_direction() {
    for s in [shape(1, 200, 2, 1, 8), shape(1, 260, 1, 1, 40)] {
        let rows = s.time;
        let qkv = values(rows * s.qkv_width(), 1);
        let table = table(&s);
        for mask in masks(&s) {
            let seen = mask.rows(&table);
            let (mut out, mut lse) = (vec![0.0; rows * s.out_width()], vec![0.0; s.lse_len()]);
            attention_forward(s, &qkv, seen, &mut out, Some(&mut lse));
            let (dout, mut dqkv) = (values(out.len(), 2), vec![9.0; qkv.len()]);
            attention_backward(s, &qkv, seen, &out, &lse, &dout, &mut dqkv);
            for seed in 3..5 {
                let direction = wide(&values(qkv.len(), seed));
                let at = |h: f64| {
                    let x: Vec<f64> = wide(&qkv).iter().zip(&direction).map(|(x, d)| x + h * d).collect();
                    dot64(&naive(&s, &x, seen).0, &wide(&dout))
                };
                let want = (at(1e-4) - at(-1e-4)) / 2e-4;
                let got = dot64(&wide(&dqkv), &direction);
                assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{got} {want}");
            }
        }
    }
}

#[test]
fn not_a_number_shows_in_the_rows_that_see_it() {
    let s = shape(1, 130, 1, 1, 4);
    let mut qkv = values(130 * s.qkv_width(), 1);
    qkv[120 * s.qkv_width() + 5] = f32::NAN;
    let mut out = vec![0.0; 130 * 4];
    attention_forward(s, &qkv, AttentionRows::causal(&[0; 130]), &mut out, None);
    assert!(out[..120 * 4].iter().all(|x| x.is_finite()));
    assert!(out[120 * 4..].iter().all(|x| x.is_nan()));
}

#[test]
fn decoding_equals_the_whole_sequence() {
    let s = shape(1, 90, 4, 2, 8);
    let (d, width) = (s.head_dim, s.qkv_width());
    let qkv = values(90 * width, 1);
    let mut want = vec![0.0; 90 * s.out_width()];
    attention_forward(s, &qkv, AttentionRows::causal(&[0; 90]), &mut want, None);
    let columns = |first: usize, n: usize| -> Vec<f32> {
        qkv.chunks(width).flat_map(|row| row[first * d..(first + n) * d].to_vec()).collect()
    };
    let (q, k, v) = (columns(0, 4), columns(4, 2), columns(6, 2));
    for (first, rows) in [(0, 1), (0, 90), (89, 1), (10, 3), (5, 80)] {
        let mut out = vec![9.0; rows * 4 * d];
        attention_decode(4, 2, d, rows, &q[first * 4 * d..(first + rows) * 4 * d], &k, &v, first, &mut out);
        assert_close(&out, &wide(&want[first * 4 * d..(first + rows) * 4 * d]), 1e-5);
    }
}

#[test]
fn threads_do_not_change_bits() {
    let s = shape(3, 100, 4, 2, 8);
    let (qkv, starts) = (values(300 * s.qkv_width(), 1), vec![0; 300]);
    same_bits_at_any_thread_count(|| {
        let (mut out, mut lse) = (vec![0.0; 300 * s.out_width()], vec![0.0; s.lse_len()]);
        attention_forward(s, &qkv, AttentionRows::causal(&starts), &mut out, Some(&mut lse));
        let mut dqkv = vec![0.0; qkv.len()];
        attention_backward(s, &qkv, AttentionRows::causal(&starts), &out, &lse, &out, &mut dqkv);
        [out, lse, dqkv].concat()
    });
}

#[test]
#[should_panic(expected = "row 1 sees 2..2")]
fn rows_that_see_nothing_are_refused() {
    attention_forward(shape(1, 2, 1, 1, 1), &[0.0; 6], AttentionRows::causal(&[0, 2]), &mut [0.0; 2], None);
}

#[test]
#[should_panic(expected = "row 0 sees 0..3")]
fn keys_beyond_the_sequence_are_refused() {
    let rows = AttentionRows { starts: &[0, 0], ends: Some(&[3, 2]), rope: None };
    attention_forward(shape(1, 2, 1, 1, 1), &[0.0; 6], rows, &mut [0.0; 2], None);
}

#[test]
fn blocks_of_keys_follow_each_other_and_fit() {
    for size in [112, 96] {
        for (low, len) in [0, 16, 208].into_iter().flat_map(|low| (1..600).map(move |len| (low, len))) {
            let block = block::Block { first: 0, rows: 1, low, high: low + len };
            let mut next = low;
            for (first, count) in block.keys(size) {
                assert!(first == next && (1..=block::SCORES).contains(&count), "{size}: {first}, {count}");
                next += count;
            }
            assert_eq!(next, low + len);
        }
    }
}
