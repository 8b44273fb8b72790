/*!
The chunks of a CAF file (Apple, *Core Audio Format Specification 1.0*), checked before the library reads them.

The library allocates what a chunk or a packet claims to need; a damaged claim of terabytes would end the program.
*/

use std::io::{Read, Seek, SeekFrom};

use crate::audio::import::fault::Fault;

/// Larger packets do not occur: a frame of 255 channels of 64 bits has 2040 bytes, an AAC packet has less.
const MAX_PACKET: u32 = 1 << 16;

/// Refuses a source of `len` bytes whose chunks do not fit into it.
pub(super) fn check(source: &mut (impl Read + Seek), len: u64) -> Result<(), Fault> {
    let mut position = 8;
    let mut has_data = false;
    while position < len {
        source.seek(SeekFrom::Start(position))?;
        let mut head = [0; 12];
        source.read_exact(&mut head)?;
        position += 12;
        let size = i64::from_be_bytes(head[4..].try_into().expect("8 bytes"));
        if &head[..4] == b"data" {
            has_data = true;
            if size == -1 {
                return Err(Fault::bad(
                    "its header gives no length, which is not read in a CAF file; convert it to WAV",
                ));
            }
        }
        let room = len - position;
        let size = u64::try_from(size).ok().filter(|&size| size <= room);
        let Some(size) = size else {
            return Err(Fault::bad(
                "damaged or cut short: a chunk does not fit in it",
            ));
        };
        if &head[..4] == b"desc" && size >= 20 {
            let mut description = [0; 20];
            source.read_exact(&mut description)?;
            let packet = u32::from_be_bytes(description[16..].try_into().expect("4 bytes"));
            if packet > MAX_PACKET {
                return Err(Fault::bad(format!(
                    "damaged: its packets have {packet} bytes"
                )));
            }
        }
        position += size;
    }
    if has_data {
        Ok(())
    } else {
        Err(Fault::bad("no data chunk: the file ends within its header"))
    }
}
