/*! From one code to another: evenly spaced points between two vectors. */

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The way a walk takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The straight line. Its middle is nearer to the origin than its ends.
    #[default]
    Lerp,
    /// The arc: direction and distance from the origin both go evenly.
    Slerp,
}

impl FromStr for Interpolation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "lerp" => Ok(Self::Lerp),
            "slerp" => Ok(Self::Slerp),
            _ => Err(Error::usage(format!("there is no way `{name}` to walk"))
                .with_hint("lerp is the straight line, slerp the arc")),
        }
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lerp => "lerp",
            Self::Slerp => "slerp",
        })
    }
}

/// `points` codes at even steps from `a` to `b`, which are themselves the first and the last.
///
/// # Errors
/// A usage error for fewer than two points.
///
/// # Panics
/// If the codes have different lengths.
pub fn interpolate(
    way: Interpolation,
    a: &[f32],
    b: &[f32],
    points: usize,
) -> Result<Vec<Vec<f32>>> {
    if points < 2 {
        return Err(
            Error::usage(format!("a walk of {points} points goes nowhere"))
                .with_hint("two points are the ends; 11 show what lies between"),
        );
    }
    let last = points - 1;
    let between = |index| match index {
        0 => a.to_vec(),
        _ if index == last => b.to_vec(),
        _ => {
            let t = index as f64 / last as f64;
            match way {
                Interpolation::Lerp => lerp(a, b, t),
                Interpolation::Slerp => slerp(a, b, t),
            }
        }
    };
    Ok((0..points).map(between).collect())
}

/// (1 − t) a + t b.
///
/// # Panics
/// If the codes have different lengths.
pub fn lerp(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    mix(&wide(a), &wide(b), 1.0 - t, t)
        .into_iter()
        .map(|x| x as f32)
        .collect()
}

/// The direction turns evenly from that of `a` to that of `b` (Shoemake 1985, "Animating rotation with quaternion curves"),
/// and the norm goes evenly from that of `a` to that of `b`.
///
/// Codes drawn from a standard Gaussian in many dimensions nearly all have the same norm, which the straight line
/// leaves (White 2016, "Sampling generative networks"). Between opposite directions there are many arcs: this
/// takes the one through the axis that is nearest to a right angle with both. What has no direction, or none to turn
/// to, goes the straight line.
///
/// # Panics
/// If the codes have different lengths.
pub fn slerp(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    let (norm_a, norm_b) = (norm(a), norm(b));
    if norm_a == 0.0 || norm_b == 0.0 {
        return lerp(a, b, t);
    }
    let u = scaled(&wide(a), 1.0 / norm_a);
    let v = scaled(&wide(b), 1.0 / norm_b);
    let cosine = dot(&u, &v);
    let side = if let Some(side) = right_angled(&v, &u) {
        side
    } else if cosine < 0.0
        && let Some(side) = right_angled(&flattest_axis(&u), &u)
    {
        side
    } else {
        return lerp(a, b, t);
    };
    let angle = t * dot(&side, &v).atan2(cosine);
    let norm = (1.0 - t) * norm_a + t * norm_b;
    mix(&u, &side, norm * angle.cos(), norm * angle.sin())
        .into_iter()
        .map(|x| x as f32)
        .collect()
}

/// How far a code is from the origin, ‖z‖.
pub fn norm(code: &[f32]) -> f64 {
    let code = wide(code);
    dot(&code, &code).sqrt()
}

/// Below it, what is left of a unit vector is rounding.
const ROUNDING: f64 = 1e-9;

/// The unit vector at a right angle to the unit vector `u` in the plane of both; none if `v` has nearly u's direction or
/// the opposite one.
fn right_angled(v: &[f64], u: &[f64]) -> Option<Vec<f64>> {
    let left = mix(v, u, 1.0, -dot(v, u));
    let length = dot(&left, &left).sqrt();
    (length > ROUNDING).then(|| scaled(&left, 1.0 / length))
}

/// The axis on which `u` is least; the first among equals.
fn flattest_axis(u: &[f64]) -> Vec<f64> {
    let flattest = (0..u.len()).min_by(|&i, &j| u[i].abs().total_cmp(&u[j].abs()));
    (0..u.len())
        .map(|i| f64::from(u8::from(Some(i) == flattest)))
        .collect()
}

fn wide(code: &[f32]) -> Vec<f64> {
    code.iter().map(|&x| f64::from(x)).collect()
}

/// p a + q b.
fn mix(a: &[f64], b: &[f64], p: f64, q: f64) -> Vec<f64> {
    assert_eq!(a.len(), b.len(), "codes of different lengths");
    a.iter().zip(b).map(|(a, b)| p * a + q * b).collect()
}

fn scaled(a: &[f64], factor: f64) -> Vec<f64> {
    a.iter().map(|a| factor * a).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Normals;

    const WAYS: [Interpolation; 2] = [Interpolation::Lerp, Interpolation::Slerp];

    /// Pairs of codes of several lengths, of unequal norms.
    fn pairs() -> Vec<(Vec<f32>, Vec<f32>)> {
        let mut normals = Normals::new(*b"testing ", 4, 0);
        [2, 3, 32, 128]
            .into_iter()
            .cycle()
            .take(20)
            .map(|dims| {
                let b: Vec<f32> = normals.code(dims).iter().map(|x| 1.7 * x).collect();
                (normals.code(dims), b)
            })
            .collect()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    fn angle(a: &[f32], b: &[f32]) -> f64 {
        (dot(&wide(a), &wide(b)) / norm(a) / norm(b))
            .clamp(-1.0, 1.0)
            .acos()
    }

    #[test]
    fn walks_begin_and_end_exactly_where_they_should() {
        for (a, b) in pairs() {
            for way in WAYS {
                for points in [2, 3, 11] {
                    let codes = interpolate(way, &a, &b, points).unwrap();
                    assert_eq!(codes.len(), points);
                    assert_eq!((&codes[0], &codes[points - 1]), (&a, &b));
                }
            }
        }
    }

    #[test]
    fn the_way_back_is_the_way_there() {
        for (a, b) in pairs() {
            for way in WAYS {
                let there = interpolate(way, &a, &b, 8).unwrap();
                let back = interpolate(way, &b, &a, 8).unwrap();
                assert!(
                    there
                        .iter()
                        .zip(back.iter().rev())
                        .all(|(p, q)| close(p, q))
                );
            }
        }
    }

    #[test]
    fn the_line_goes_in_even_steps_along_the_difference() {
        for (a, b) in pairs() {
            let codes = interpolate(Interpolation::Lerp, &a, &b, 6).unwrap();
            for pair in codes.windows(2) {
                let expected: Vec<f32> = (0..a.len())
                    .map(|i| pair[0][i] + (b[i] - a[i]) / 5.0)
                    .collect();
                assert!(close(&pair[1], &expected));
            }
        }
    }

    #[test]
    fn the_arc_turns_evenly_and_its_norm_goes_evenly() {
        for (a, b) in pairs() {
            let codes = interpolate(Interpolation::Slerp, &a, &b, 11).unwrap();
            for (index, code) in codes.iter().enumerate() {
                let t = index as f64 / 10.0;
                assert!((norm(code) - (1.0 - t) * norm(&a) - t * norm(&b)).abs() < 1e-4);
                assert!((angle(&a, code) - t * angle(&a, &b)).abs() < 2e-3);
                assert!((angle(code, &b) - (1.0 - t) * angle(&a, &b)).abs() < 2e-3);
            }
        }
    }

    #[test]
    fn a_quarter_turn_has_its_middle_on_the_diagonal() {
        let middle = slerp(&[2.0, 0.0], &[0.0, 4.0], 0.5);
        assert!(close(&middle, &[3.0 * 0.5_f32.sqrt(); 2]));
        assert!(close(&lerp(&[2.0, 0.0], &[0.0, 4.0], 0.5), &[1.0, 2.0]));
    }

    #[test]
    fn without_an_angle_the_arc_is_the_line() {
        for (a, _) in pairs() {
            let longer: Vec<f32> = a.iter().map(|x| 3.0 * x).collect();
            let zero = vec![0.0; a.len()];
            for b in [&a, &longer, &zero] {
                for t in [0.2, 0.5, 0.9] {
                    assert!(close(&slerp(&a, b, t), &lerp(&a, b, t)));
                    assert!(close(&slerp(b, &a, t), &lerp(b, &a, t)));
                }
            }
        }
        assert_eq!(slerp(&[0.0; 3], &[0.0; 3], 0.5), [0.0; 3]);
        assert_eq!(slerp(&[-2.0], &[4.0], 0.5), [1.0]);
    }

    #[test]
    fn between_opposites_the_arc_keeps_away_from_the_origin() {
        for (a, _) in pairs() {
            let b: Vec<f32> = a.iter().map(|x| -2.0 * x).collect();
            let middle = slerp(&a, &b, 0.5);
            assert!((norm(&middle) - 1.5 * norm(&a)).abs() < 1e-4);
            assert!((angle(&a, &middle) - std::f64::consts::FRAC_PI_2).abs() < 1e-4);
        }
    }

    #[test]
    fn ways_are_known_by_their_names() {
        for way in WAYS {
            assert_eq!(way.to_string().parse::<Interpolation>().unwrap(), way);
        }
        let refusals = [
            "bee-line".parse::<Interpolation>().unwrap_err(),
            interpolate(Interpolation::Lerp, &[1.0], &[2.0], 1).unwrap_err(),
        ];
        assert!(refusals.iter().all(|e| e.is_usage() && e.hint().is_some()));
    }
}
