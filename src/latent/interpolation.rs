/*! Interpolation between two latent codes. */

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The kind of interpolation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// Linear. The middle is nearer to the origin than the ends.
    #[default]
    Lerp,
    /// Spherical: direction and norm change evenly.
    Slerp,
}

impl FromStr for Interpolation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "lerp" => Ok(Self::Lerp),
            "slerp" => Ok(Self::Slerp),
            _ => Err(Error::usage(format!("there is no path '{name}'"))
                .with_hint("it is lerp, the straight line, or slerp, the arc")),
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

/// `points` codes at even steps from `a` to `b`, both included.
///
/// # Errors
/// A usage error for fewer than two points.
///
/// # Panics
/// If the codes have different lengths.
pub fn interpolate(
    kind: Interpolation,
    a: &[f32],
    b: &[f32],
    points: usize,
) -> Result<Vec<Vec<f32>>> {
    if points < 2 {
        return Err(
            Error::usage(format!("an interpolation of {points} points is too short"))
                .with_hint("use at least 2 points, which are the ends; 11 are usual"),
        );
    }
    let last = points - 1;
    let between = |index| match index {
        0 => a.to_vec(),
        _ if index == last => b.to_vec(),
        _ => {
            let t = index as f64 / last as f64;
            match kind {
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

/// Spherical interpolation of the direction (Shoemake 1985, "Animating rotation with quaternion curves") and linear
/// interpolation of the norm.
///
/// Codes drawn from a standard Gaussian in many dimensions have nearly the same norm, which linear interpolation leaves
/// (White 2016, "Sampling generative networks"). Between opposite directions, the arc goes through the axis that is most
/// nearly orthogonal to both. Equal directions and zero vectors are interpolated linearly.
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
    let side = if let Some(side) = orthogonal(&v, &u) {
        side
    } else if cosine < 0.0
        && let Some(side) = orthogonal(&smallest_axis(&u), &u)
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

/// The Euclidean norm of a code.
pub fn norm(code: &[f32]) -> f64 {
    let code = wide(code);
    dot(&code, &code).sqrt()
}

/// A remainder of a unit vector below this is rounding.
const ROUNDING: f64 = 1e-9;

/// The unit vector orthogonal to the unit vector `u` in the plane of both; none if `v` is nearly parallel to `u`.
fn orthogonal(v: &[f64], u: &[f64]) -> Option<Vec<f64>> {
    let left = mix(v, u, 1.0, -dot(v, u));
    let length = dot(&left, &left).sqrt();
    (length > ROUNDING).then(|| scaled(&left, 1.0 / length))
}

/// The axis with the smallest component of `u`, the first among equals.
fn smallest_axis(u: &[f64]) -> Vec<f64> {
    let smallest = (0..u.len()).min_by(|&i, &j| u[i].abs().total_cmp(&u[j].abs()));
    (0..u.len())
        .map(|i| f64::from(u8::from(Some(i) == smallest)))
        .collect()
}

fn wide(code: &[f32]) -> Vec<f64> {
    code.iter().map(|&x| f64::from(x)).collect()
}

/// p a + q b.
fn mix(a: &[f64], b: &[f64], p: f64, q: f64) -> Vec<f64> {
    assert_eq!(a.len(), b.len(), "codes have different lengths");
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

    const KINDS: [Interpolation; 2] = [Interpolation::Lerp, Interpolation::Slerp];

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
    fn both_ends_are_exact() {
        for (a, b) in pairs() {
            for kind in KINDS {
                for points in [2, 3, 11] {
                    let codes = interpolate(kind, &a, &b, points).unwrap();
                    assert_eq!(codes.len(), points);
                    assert_eq!((&codes[0], &codes[points - 1]), (&a, &b));
                }
            }
        }
    }

    #[test]
    fn the_reverse_is_the_interpolation_from_b_to_a() {
        for (a, b) in pairs() {
            for kind in KINDS {
                let there = interpolate(kind, &a, &b, 8).unwrap();
                let back = interpolate(kind, &b, &a, 8).unwrap();
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
    fn lerp_takes_even_steps() {
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
    fn slerp_changes_angle_and_norm_evenly() {
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
    fn the_middle_of_a_quarter_turn_is_on_the_diagonal() {
        let middle = slerp(&[2.0, 0.0], &[0.0, 4.0], 0.5);
        assert!(close(&middle, &[3.0 * 0.5_f32.sqrt(); 2]));
        assert!(close(&lerp(&[2.0, 0.0], &[0.0, 4.0], 0.5), &[1.0, 2.0]));
    }

    #[test]
    fn without_an_angle_slerp_is_lerp() {
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
    fn between_opposite_directions_slerp_keeps_the_norm() {
        for (a, _) in pairs() {
            let b: Vec<f32> = a.iter().map(|x| -2.0 * x).collect();
            let middle = slerp(&a, &b, 0.5);
            assert!((norm(&middle) - 1.5 * norm(&a)).abs() < 1e-4);
            assert!((angle(&a, &middle) - std::f64::consts::FRAC_PI_2).abs() < 1e-4);
        }
    }

    #[test]
    fn kinds_have_names_and_errors_have_hints() {
        for kind in KINDS {
            assert_eq!(kind.to_string().parse::<Interpolation>().unwrap(), kind);
        }
        let refusals = [
            "line".parse::<Interpolation>().unwrap_err(),
            interpolate(Interpolation::Lerp, &[1.0], &[2.0], 1).unwrap_err(),
        ];
        assert!(refusals.iter().all(|e| e.is_usage() && e.hint().is_some()));
    }
}
