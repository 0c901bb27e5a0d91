//! Requests for tests.

use prost::encoding::{bytes, fixed64, string};

/// A template of `spans` spans in one trace, each the child of the first, which ended 5 ns before sending.
pub fn request(spans: u64) -> Vec<u8> {
    let mut scope = Vec::new();
    for number in 0..spans {
        let mut span = Vec::new();
        bytes::encode(1, &vec![0; 16], &mut span);
        bytes::encode(2, &(number + 1).to_be_bytes().to_vec(), &mut span);
        if number > 0 {
            bytes::encode(4, &1u64.to_be_bytes().to_vec(), &mut span);
        }
        string::encode(5, &"sample".to_owned(), &mut span);
        fixed64::encode(7, &9, &mut span);
        fixed64::encode(8, &5, &mut span);
        bytes::encode(2, &span, &mut scope);
    }
    let (mut group, mut request) = (Vec::new(), Vec::new());
    bytes::encode(2, &scope, &mut group);
    bytes::encode(1, &group, &mut request);
    request
}
