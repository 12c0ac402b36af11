#![no_main]

//! Any octets as they come over a line: they are lines of bounded length, what is read as a request names what its row wants,
//! and what is written is one line each.

use imps_proto::clp::{LINE_MAX, Line, LineReader, Reply, Request, TARGETS_MAX, Writer, parse, sms};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (mut reader, mut answers, mut input) = (LineReader::default(), Vec::new(), bytes);
    let is_talking = bytes.first().is_some_and(|byte| byte & 1 == 1);
    while let Some(line) = reader.next_line(&mut input, &mut answers) {
        let Line::Text(text) = line else { continue };
        assert!(text.chars().count() <= LINE_MAX);
        let read = parse(&text, is_talking, true);
        let echoed = match &read.request {
            Ok(Request::Command(command, arguments)) => {
                assert!(arguments.targets.len() <= TARGETS_MAX);
                format!("{} {arguments:?}", command.row().line())
            }
            Ok(Request::Text(target, text)) => format!("{target} {text}"),
            Ok(Request::Talk(text)) => text.clone(),
            Ok(Request::Nothing) => String::new(),
            Err(error) => format!("{error:?}"),
        };
        let reply = Reply::ok(echoed.clone()).with(vec![text]);
        let mut writer = Writer::default();
        reply.write(read.tag.as_deref(), &mut writer);
        writer.event(Some(7), &echoed);
        let written = String::from_utf8(writer.out).expect("what is written is text");
        assert_eq!(written.matches('\n').count(), 3);
        for at_once in [1, 3] {
            for page in sms::pages(&echoed, at_once) {
                assert!(sms::messages(&page) <= at_once);
            }
        }
        assert_eq!(sms::parts(&echoed).concat(), echoed);
    }
    assert!(answers.len() <= bytes.len());
    let _ = sms::from_septets(bytes);
});
