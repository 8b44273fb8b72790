/*!
The model folder: everything of a model, in files that other tools can open.

| file | content |
|---|---|
| `model.json` | the manifest: model, medium, classes, recipe, split, training step, validation, hash of the weights |
| `weights.safetensors` | the averaged weights (the best so far by validation), in single or half precision |
| `training/state.safetensors` | raw weights, the optimizer's state and the trainer's: what `--resume` needs |
| `log.jsonl` | one line a report |
| `tokenizer.json` | text: the tokenizer, in the Hugging Face format |
| `palette.png` | pictures: the colours |
| `prompt.wav` | sound: the beginning of a recording, which live play starts from |
| `samples/` | what the model generated at each report |
| `README.md` | a model card |

Every file but the log and the samples is written to a temporary file, synced and renamed, so that a kill at any moment
leaves the last complete model (a line of the log that was cut short is skipped). A new folder appears only when it is
complete.
*/

mod folder;
mod manifest;
mod medium;
mod tensors;

pub use folder::{ModelFolder, PROMPT, TOKENIZER};
pub use manifest::{FORMAT, Int8, ModelManifest};
pub use medium::Medium;
