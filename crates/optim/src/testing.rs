//! Helpers of the tests: groups, numbers, and what holds for every optimizer.

use crate::{Group, Optimizer};

pub(crate) fn group(name: &str, start: usize, shape: &[usize], decay: bool) -> Group {
    let range = start..start + shape.iter().product::<usize>();
    Group { name: name.into(), range, shape: shape.into(), decay, hidden: false }
}

/// Two matrices of hidden layers, an embedding and a norm in an arena of 160 floats with gaps.
pub(crate) fn groups() -> Vec<Group> {
    let hidden = |group| Group { hidden: true, ..group };
    vec![
        group("embed", 0, &[7, 3], true),
        hidden(group("up", 32, &[5, 7], true)),
        group("norm", 80, &[13], false),
        hidden(group("down", 96, &[3, 11], true)),
        group("bias", 144, &[1], false),
    ]
}

pub(crate) const LENGTH: usize = 160;

/// `n` values in [-1, 1), the same for the same seed.
pub(crate) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn grouped() -> Vec<usize> {
    groups().into_iter().flat_map(|g| g.range).collect()
}

/// Gradients of a step; zero between the groups.
pub(crate) fn gradients(step: u64) -> Vec<f32> {
    let all = values(LENGTH, 100 + step);
    let mut out = vec![0.0; LENGTH];
    grouped().into_iter().for_each(|i| out[i] = all[i]);
    out
}

/// Steps `from + 1` to `to` with a rate that changes.
fn run(optimizer: &mut dyn Optimizer, params: &mut [f32], from: u64, to: u64) {
    for step in from + 1..=to {
        let mut grads = gradients(step);
        optimizer.step(params, &mut grads, 0.01 / step as f64, 0.5);
        assert!(grads.iter().all(|&g| g == 0.0), "the gradient is used up");
    }
}

/// What every optimizer owes: padding stays, everything else moves, a restored state goes on with the same bits, NaN
/// propagates, and a state without gradients does not become denormal.
pub(crate) fn keeps_its_promises(new: &dyn Fn() -> Box<dyn Optimizer>) {
    let start = values(LENGTH, 1);
    let (mut whole, mut params) = (new(), start.clone());
    run(&mut *whole, &mut params, 0, 7);
    let inside = grouped();
    for i in 0..LENGTH {
        assert_eq!(params[i] != start[i], inside.contains(&i), "float {i}");
    }
    assert_eq!(whole.steps(), 7);

    let (mut first, mut half) = (new(), start.clone());
    run(&mut *first, &mut half, 0, 3);
    let kept: Vec<Vec<f32>> = first.state().iter().map(|s| s.data.to_vec()).collect();
    let mut second = new();
    second.state_mut().into_iter().zip(&kept).for_each(|(to, from)| to.copy_from_slice(from));
    second.set_steps(first.steps());
    run(&mut *second, &mut half, 3, 7);
    assert_eq!(half, params);
    assert_eq!(second.state(), whole.state());

    let mut names: Vec<&str> = whole.state().iter().map(|s| s.name).collect();
    names.dedup();
    assert_eq!(names.len(), second.state_mut().len());
    for state in whole.state() {
        let laid_out = state.parts.map_or(LENGTH, |parts| parts.last().map_or(0, |p| p.range.end));
        assert_eq!(laid_out.next_multiple_of(16), state.data.len(), "{}", state.name);
    }

    for _ in 0..3000 {
        whole.step(&mut params, &mut vec![0.0; LENGTH], 1e-3, 1.0);
    }
    for state in whole.state() {
        assert!(state.data.iter().all(|x| *x == 0.0 || x.is_normal()), "{} is denormal", state.name);
    }
    assert!(params.iter().all(|x| x.is_finite()));

    for group in groups() {
        let (mut optimizer, mut params, mut grads) = (new(), start.clone(), gradients(1));
        grads[group.range.end - 1] = f32::NAN;
        optimizer.step(&mut params, &mut grads, 0.01, 1.0);
        assert!(params[group.range.end - 1].is_nan(), "{}", group.name);
        let others = inside.iter().filter(|i| !group.range.contains(i));
        assert!(others.clone().all(|&i| params[i].is_finite()), "{} alone", group.name);
    }
}
