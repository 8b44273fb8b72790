/*!
Corpora and models by name: what they are (the catalogues), and how they come to this machine.

A file is downloaded to a `.part` file, hashed while it streams, and continued after a cut connection. An archive is unpacked
beside its place, within bounds, and renamed at the end: a folder is there whole or not at all.
*/

mod catalog;
mod download;
mod install;
mod places;
mod unpack;

pub use catalog::{Catalog, Corpus, Fetching, ModelCatalog};
pub use install::{fetch_corpus, fetch_model};
pub use places::{CorpusSettings, corpora_folder, corpus_folder, model_folder, models_folder};
