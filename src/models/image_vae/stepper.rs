/*! The decoder of an image VAE, one pixel at a time: the whole picture is computed when its condition is set. */

use std::sync::Arc;

use crate::base::simd::InstructionSet;
use crate::error::Result;
use crate::kernels::step::blocks::{Block, columns, floats};
use crate::kernels::step::matrix::Matrix;
use crate::models::weights::{check_lanes, check_shape};
use crate::sequence::{Alphabet, Stepper, Token};

/// A trained decoder as plain row-major arrays; each layer is its matrix `[inputs, outputs]` and its bias `[outputs]`.
#[derive(Debug, Clone)]
pub(super) struct PictureWeights {
    pub(super) alphabet: Alphabet,
    pub(super) condition: usize,
    pub(super) hidden: usize,
    pub(super) embedding: usize,
    pub(super) pixels: usize,
    pub(super) first: [Vec<f32>; 2],
    pub(super) second: [Vec<f32>; 2],
    pub(super) features: [Vec<f32>; 2],
    pub(super) colors: [Vec<f32>; 2],
}

/// Pixels of pictures whose conditions are known.
pub(super) struct PictureStepper {
    alphabet: Alphabet,
    condition: usize,
    embedding: usize,
    /// From the condition to the features of the pixels, then those of a pixel to its colour.
    layers: [Layer; 3],
    colors: Layer,
    lanes: Vec<Lane>,
    logits: Vec<f32>,
}

struct Layer {
    matrix: Matrix,
    outputs: usize,
}

#[derive(Clone)]
struct Lane {
    /// `[pixels · embedding]`.
    features: Arc<Vec<f32>>,
    /// The pixel of the next step.
    pixel: usize,
}

impl Layer {
    fn new(name: &str, [weight, bias]: &[Vec<f32>; 2], shape: [usize; 2]) -> Result<Self> {
        let [inputs, outputs] = shape;
        check_shape(name, weight, &shape)?;
        check_shape(name, bias, &[outputs])?;
        let whole: Vec<_> = columns(0..outputs).collect();
        Ok(Self {
            matrix: Matrix::pack(inputs, weight, bias, &whole),
            outputs,
        })
    }

    fn of(&self, level: InstructionSet, input: &[f32]) -> Vec<f32> {
        let blocks: Vec<Block> = self.matrix.apply(level, input);
        floats(&blocks)[..self.outputs].to_vec()
    }
}

impl PictureStepper {
    pub(super) fn new(w: &PictureWeights, lanes: usize) -> Result<Self> {
        check_lanes(lanes)?;
        let features = w.pixels * w.embedding;
        let mut stepper = Self {
            alphabet: w.alphabet,
            condition: w.condition,
            embedding: w.embedding,
            layers: [
                Layer::new("decoder.first", &w.first, [w.condition, w.hidden])?,
                Layer::new("decoder.second", &w.second, [w.hidden, w.hidden])?,
                Layer::new("decoder.features", &w.features, [w.hidden, features])?,
            ],
            colors: Layer::new("decoder.colors", &w.colors, [w.embedding, w.alphabet.size])?,
            lanes: Vec::new(),
            logits: vec![0.0; lanes * w.alphabet.size],
        };
        let lane = Lane {
            features: stepper.features(None),
            pixel: 0,
        };
        stepper.lanes = vec![lane; lanes];
        Ok(stepper)
    }

    /// The features of all pixels under a condition; `None` stands for zeros.
    fn features(&self, condition: Option<&[f32]>) -> Arc<Vec<f32>> {
        let level = InstructionSet::detect();
        let zeros = vec![0.0; self.condition];
        let mut x = condition.unwrap_or(&zeros).to_vec();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                for x in &mut x {
                    *x = x.max(0.0);
                }
            }
            x = layer.of(level, &x);
        }
        Arc::new(x)
    }
}

impl Stepper for PictureStepper {
    fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn reset(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.recondition(lane, condition);
        self.lanes[lane].pixel = 0;
    }

    fn recondition(&mut self, lane: usize, condition: Option<&[f32]>) {
        self.lanes[lane].features = self.features(condition);
    }

    fn step(&mut self, tokens: &[Token]) -> &[f32] {
        assert_eq!(tokens.len(), self.lanes.len(), "one token per lane");
        let level = InstructionSet::detect();
        let places = self.logits.chunks_exact_mut(self.alphabet.size);
        for (lane, place) in self.lanes.iter_mut().zip(places) {
            let last = lane.features.len() / self.embedding - 1;
            let from = lane.pixel.min(last) * self.embedding;
            let features = &lane.features[from..from + self.embedding];
            place.copy_from_slice(&self.colors.of(level, features));
            lane.pixel += 1;
        }
        &self.logits
    }

    fn gather(&mut self, parents: &[usize]) {
        assert_eq!(parents.len(), self.lanes.len(), "one parent per lane");
        self.lanes = parents
            .iter()
            .map(|&parent| self.lanes[parent].clone())
            .collect();
    }
}
