//! The journal against a plain list: whatever is cut, flipped or torn, what is read back is what
//! was appended, in order, and what is missing is only what no disk had confirmed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::thread::Thread;

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::files::{self, Torn};
use super::format::{HEADER_BYTES, RECORD_BYTES};
use super::*;

/// Small, so that a few entries fill a file.
fn small() -> JournalOptions {
    JournalOptions { file_bytes_max: 400, entry_bytes_max: 200, ..JournalOptions::default() }
}

fn open(path: &Path, counted: u64) -> Result<(Journal, Recovery), StoreError> {
    Journal::open(&DataDirectory::open(path)?, small(), Counted::at(Sequence(counted)))
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos.cast_signed())
}

fn entry(number: u64, payload: &[u8]) -> Entry {
    Entry { sequence: Sequence(number), arrival: at(number * 7), payload: payload.to_vec() }
}

fn read_all(journal: &Journal, from: Sequence) -> Vec<Entry> {
    let mut reader = journal.read_from(from).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        entries.push(entry);
    }
    entries
}

/// Appends `payloads` and waits for all of them together.
fn append(journal: &Journal, entries: &mut Vec<Entry>, payloads: &[Vec<u8>]) {
    let tickets: Vec<Ticket> = (entries.len() as u64 + 1..)
        .zip(payloads)
        .map(|(number, payload)| {
            entries.push(entry(number, payload));
            journal.append(at(number * 7), payload.clone()).unwrap()
        })
        .collect();
    let first = entries.len() - payloads.len();
    for (ticket, entry) in tickets.into_iter().zip(&entries[first..]) {
        assert_eq!(ticket.wait().unwrap(), entry.sequence);
    }
}

/// Writes a journal's file of groups of entries, as the writer would; returns where each entry
/// begins, and where the last one ends.
fn write_file(directory: &Path, first: u64, groups: &[Vec<Vec<u8>>]) -> Vec<usize> {
    let salt = 0x5a17_ed00;
    let mut bytes = format::header(Sequence(first), salt).to_vec();
    let mut starts = Vec::new();
    let mut number = first;
    for group in groups {
        for (place, payload) in (0..).zip(group) {
            starts.push(bytes.len());
            let sequence = Sequence(number);
            format::encode(&mut bytes, salt, sequence, at(number * 7), place, payload);
            number += 1;
        }
    }
    starts.push(bytes.len());
    fs::create_dir_all(directory.join("journal")).unwrap();
    fs::write(file(directory, first), bytes).unwrap();
    starts
}

fn file(directory: &Path, first: u64) -> PathBuf {
    directory.join("journal").join(format!("{first:020}.journal"))
}

/// The entries that `write_file` writes.
fn entries(first: u64, groups: &[Vec<Vec<u8>>]) -> Vec<Entry> {
    (first..).zip(groups.iter().flatten()).map(|(number, payload)| entry(number, payload)).collect()
}

fn payload(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..bytes)
}

fn groups() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    proptest::collection::vec(proptest::collection::vec(payload(40), 1..4), 1..5)
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Vec<u8>>),
    Reopen,
    Release(Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec(payload(200), 1..6).prop_map(Step::Append),
        1 => Just(Step::Reopen),
        1 => any::<Index>().prop_map(Step::Release),
    ]
}

proptest! {
    // Every step waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_holds_what_a_list_holds(steps in proptest::collection::vec(step(), 1..12)) {
        let directory = TempDir::new().unwrap();
        let mut list = Vec::new();
        let mut released = 0;
        let mut journal = open(directory.path(), 0).unwrap().0;
        for step in steps {
            match step {
                Step::Append(payloads) => append(&journal, &mut list, &payloads),
                Step::Reopen => {
                    drop(journal);
                    let (again, recovery) = open(directory.path(), list.len() as u64).unwrap();
                    journal = again;
                    prop_assert_eq!(recovery.torn, None);
                    prop_assert_eq!(recovery.last, Sequence(list.len() as u64));
                    prop_assert_eq!(recovery.first, journal.first());
                }
                Step::Release(up_to) => {
                    released = released.max(up_to.index(list.len() + 1) as u64);
                    let refused = journal.release(Sequence(journal.counted.get().0 + 1));
                    let is_refused = matches!(refused, Err(StoreError::NotCounted { .. }));
                    prop_assert!(is_refused);
                    journal.counted.set(Sequence(list.len() as u64));
                    journal.release(Sequence(released)).unwrap();
                }
            }
            let first = journal.first();
            prop_assert!(first <= Sequence(released + 1), "released what is needed");
            prop_assert_eq!(journal.committed(), Sequence(list.len() as u64));
            for from in first.0..=list.len() as u64 + 1 {
                let rest = &list[usize::try_from(from).unwrap() - 1..];
                prop_assert_eq!(read_all(&journal, Sequence(from)), rest);
            }
            if first > Sequence(1) {
                let refused = journal.read_from(Sequence(first.0 - 1));
                let is_released = matches!(refused, Err(StoreError::Released { .. }));
                prop_assert!(is_released);
            }
            let mut bytes = 0;
            for (_, path) in journal.files() {
                let length = fs::metadata(path).unwrap().len();
                prop_assert!(length <= small().file_bytes_max);
                bytes += length;
            }
            prop_assert_eq!(journal.bytes(), bytes);
        }
    }

    #[test]
    fn a_flipped_byte_is_an_error_or_costs_the_last_group(
        earlier in groups(), last in groups(), which: Index, flip in 1u8..,
    ) {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        let in_earlier = earlier.iter().map(Vec::len).sum::<usize>() as u64;
        write_file(path, 1, &earlier);
        let starts = write_file(path, in_earlier + 1, &last);
        let all = [entries(1, &earlier), entries(in_earlier + 1, &last)].concat();
        let unconfirmed = last.last().unwrap().len();

        let lengths = [1, in_earlier + 1].map(|first| fs::read(file(path, first)).unwrap().len());
        let offset = which.index(lengths[0] + lengths[1]);
        let (first, offset) =
            if offset < lengths[0] { (1, offset) } else { (in_earlier + 1, offset - lengths[0]) };
        let victim = file(path, first);
        let mut bytes = fs::read(&victim).unwrap();
        bytes[offset] ^= flip;
        fs::write(&victim, &bytes).unwrap();

        match open(path, 0) {
            Err(StoreError::Damaged { path, offset: told, .. }) => {
                prop_assert_eq!(&path, &victim);
                prop_assert!(usize::try_from(told).unwrap() <= offset.max(24));
                prop_assert_eq!(fs::read(&victim).unwrap(), bytes, "an error must change nothing");
            }
            Err(StoreError::Format { path, .. }) => prop_assert_eq!(path, victim),
            Err(other) => prop_assert!(false, "{}", other),
            Ok((journal, recovery)) => {
                let kept = read_all(&journal, Sequence(1));
                prop_assert!(kept.len() >= all.len() - unconfirmed);
                prop_assert_eq!(&kept, &all[..kept.len()]);
                let torn = recovery.torn.expect("something is gone");
                prop_assert_eq!(torn.path, victim);
                prop_assert!(starts.contains(&usize::try_from(torn.offset).unwrap()));
                prop_assert!(torn.offset <= offset as u64);
                drop(journal);
                let kept = kept.len() as u64;
                let counted = open(path, kept + 1);
                let is_missing = matches!(counted, Err(StoreError::Missing { .. }));
                prop_assert!(is_missing, "what was counted must be there");
            }
        }
    }

    /// A crash of the machine leaves any blocks of an unconfirmed group behind, in any order.
    #[test]
    fn an_unconfirmed_group_may_lose_any_of_its_entries(
        groups in groups(), lost in any::<u8>(), tail in payload(60),
    ) {
        let directory = TempDir::new().unwrap();
        let starts = write_file(directory.path(), 1, &groups);
        let all = entries(1, &groups);
        let confirmed = all.len() - groups.last().unwrap().len();
        let victim = file(directory.path(), 1);
        let mut bytes = fs::read(&victim).unwrap();
        let mut whole = all.len();
        for number in (confirmed..all.len()).rev().filter(|number| lost >> (number % 8) & 1 == 1) {
            bytes[starts[number]..starts[number + 1]].fill(0);
            whole = number;
        }
        bytes.extend(&tail);
        fs::write(&victim, &bytes).unwrap();
        let (mut journal, recovery) = open(directory.path(), confirmed as u64).unwrap();
        let mut kept = read_all(&journal, Sequence(1));
        prop_assert_eq!(&kept, &all[..whole]);
        let offset = starts[whole] as u64;
        let torn = (bytes.len() as u64 > offset)
            .then(|| Torn { path: victim, offset, bytes: bytes.len() as u64 - offset });
        prop_assert_eq!(recovery.torn, torn);
        // And it goes on from there.
        append(&journal, &mut kept, &[b"later".to_vec()]);
        drop(journal);
        journal = open(directory.path(), kept.len() as u64).unwrap().0;
        prop_assert_eq!(read_all(&journal, Sequence(1)), kept);
    }

    #[test]
    fn what_a_sender_wrote_is_never_taken_for_an_entry(
        groups in groups(), salt in any::<u32>(), cut in any::<Index>(),
    ) {
        // The payload of the torn entry is a whole journal file, with records that would prove
        // that it had been confirmed, were the file's salt known to the sender.
        prop_assume!(salt != 0x5a17_ed00);
        let count = groups.iter().map(Vec::len).sum::<usize>() as u64;
        let mut forged = Vec::new();
        for number in count + 1..count + 5 {
            format::encode(&mut forged, salt, Sequence(number), at(0), 0, b"forged");
        }
        let directory = TempDir::new().unwrap();
        let groups = [groups, vec![vec![forged.clone()]]].concat();
        let starts = write_file(directory.path(), 1, &groups);
        let all = entries(1, &groups);
        let victim = file(directory.path(), 1);
        let bytes = fs::read(&victim).unwrap();
        let start = starts[starts.len() - 2];
        let end = start + RECORD_BYTES + cut.index(forged.len());
        fs::write(&victim, &bytes[..end]).unwrap();
        let (journal, recovery) = open(directory.path(), 0).unwrap();
        prop_assert_eq!(recovery.torn.unwrap().offset, start as u64);
        prop_assert_eq!(read_all(&journal, Sequence(1)), &all[..all.len() - 1]);
    }
}

#[test]
fn the_last_file_may_be_cut_at_any_byte() {
    let directory = TempDir::new().unwrap();
    let mut list = Vec::new();
    let journal = open(directory.path(), 0).unwrap().0;
    for length in [100, 200, 0, 30, 1, 60] {
        append(&journal, &mut list, &[vec![b'x'; length]]);
    }
    let files = journal.files();
    drop(journal);
    let (first, last) = files.last().unwrap();
    assert!(files.len() > 1 && first.0 < 6, "{files:?}");
    let bytes = fs::read(last).unwrap();
    let mut ends = vec![HEADER_BYTES];
    for entry in &list[usize::try_from(first.0).unwrap() - 1..] {
        ends.push(ends[ends.len() - 1] + RECORD_BYTES + entry.payload.len());
    }
    for cut in 0..=bytes.len() {
        fs::write(last, &bytes[..cut]).unwrap();
        if cut < HEADER_BYTES {
            // A file gets its name after its header is on disk: this is no crash.
            let error = open(directory.path(), 0).unwrap_err().to_string();
            assert!(error.contains(&format!("is damaged at byte {cut}: ")), "{error}");
            continue;
        }
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let kept = usize::try_from(first.0).unwrap() - 1 + whole;
        if kept < list.len() {
            let error = open(directory.path(), list.len() as u64).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Missing { .. }));
            assert_eq!(fs::read(last).unwrap().len(), cut, "an error must change nothing");
        }
        let (journal, recovery) = open(directory.path(), kept as u64).unwrap();
        assert_eq!(read_all(&journal, Sequence(1)), list[..kept]);
        let offset = ends[whole];
        assert_eq!(
            recovery.torn,
            (cut > offset).then(|| Torn {
                path: last.clone(),
                offset: offset as u64,
                bytes: (cut - offset) as u64
            })
        );
        assert_eq!(fs::read(last).unwrap().len(), offset);
    }
}

#[test]
fn an_earlier_file_may_not_be_cut_or_missing() {
    let directory = TempDir::new().unwrap();
    let groups = |count| vec![vec![b"abc".to_vec()]; count];
    let starts = write_file(directory.path(), 1, &groups(3));
    write_file(directory.path(), 4, &groups(2));
    write_file(directory.path(), 6, &groups(1));
    assert_eq!(open(directory.path(), 0).unwrap().1.last, Sequence(6));
    let whole = fs::read(file(directory.path(), 1)).unwrap();
    for cut in HEADER_BYTES..whole.len() {
        fs::write(file(directory.path(), 1), &whole[..cut]).unwrap();
        let (offset, is_missing) = match open(directory.path(), 0).unwrap_err() {
            StoreError::Damaged { offset, .. } => (usize::try_from(offset).unwrap(), false),
            StoreError::Missing { to, .. } => (cut, to == Sequence(3)),
            other => panic!("{other}"),
        };
        assert_eq!(is_missing, starts.contains(&cut), "cut at {cut}");
        assert!(offset <= cut);
    }
    fs::write(file(directory.path(), 1), &whole).unwrap();
    fs::remove_file(file(directory.path(), 4)).unwrap();
    let error = open(directory.path(), 0).unwrap_err().to_string();
    assert!(error.contains("lacks the entries 4 to 5; restore its files"), "{error}");
    fs::remove_file(file(directory.path(), 1)).unwrap();
    assert_eq!(open(directory.path(), 5).unwrap().1.first, Sequence(6));
    let error = open(directory.path(), 3).unwrap_err().to_string();
    assert!(error.contains("lacks the entries 4 to 5"), "{error}");
    fs::remove_file(file(directory.path(), 6)).unwrap();
    let error = open(directory.path(), 6).unwrap_err().to_string();
    assert!(error.contains("lacks the entries 1 to 6"), "{error}");
}

#[test]
fn files_of_others_are_told_from_damage() {
    let directory = TempDir::new().unwrap();
    write_file(directory.path(), 1, &[vec![b"abc".to_vec()]]);
    let path = file(directory.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[21] = b'2';
    fs::write(&path, &bytes).unwrap();
    let error = open(directory.path(), 0).unwrap_err().to_string();
    assert!(error.contains("`flyball.dev/journal/v2`, and this version knows"), "{error}");
    fs::write(&path, "hello").unwrap();
    let error = open(directory.path(), 0).unwrap_err().to_string();
    assert!(error.contains("at byte 5: the file ends inside its header"), "{error}");
    fs::rename(&path, path.with_file_name("1.journal")).unwrap();
    let error = open(directory.path(), 0).unwrap_err().to_string();
    assert!(error.contains("with 20 digits"), "{error}");
}

#[test]
fn a_file_that_was_never_finished_is_removed() {
    let directory = TempDir::new().unwrap();
    write_file(directory.path(), 1, &[vec![b"abc".to_vec()]]);
    let unfinished = file(directory.path(), 2).with_extension("journal.new");
    fs::write(&unfinished, "flyb").unwrap();
    assert_eq!(open(directory.path(), 0).unwrap().1.last, Sequence(1));
    assert!(!unfinished.exists());
}

#[test]
fn damage_under_an_open_journal_is_found_by_whoever_reads() {
    let directory = TempDir::new().unwrap();
    let mut list = Vec::new();
    let journal = open(directory.path(), 0).unwrap().0;
    append(&journal, &mut list, &[b"one".to_vec(), b"two".to_vec()]);
    let mut reader = journal.read_from(Sequence(2)).unwrap();
    let path = file(directory.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let offset = HEADER_BYTES + RECORD_BYTES + 3;
    for _ in 0..2 {
        let error = reader.read().unwrap_err().to_string();
        assert!(error.contains(&format!("byte {offset}: the checksum of an entry")), "{error}");
    }
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    assert!(reader.read().unwrap_err().to_string().contains("shorter than what was committed"));
}

#[test]
fn many_threads_append_while_others_read() {
    const THREADS: u64 = 4;
    const EACH: u64 = 300;
    let directory = TempDir::new().unwrap();
    let journal = open(directory.path(), 0).unwrap().0;
    let mut numbers = BTreeSet::new();
    let read = std::thread::scope(|scope| {
        let appended: Vec<_> = (0..THREADS)
            .map(|thread| {
                let journal = &journal;
                scope.spawn(move || {
                    let offer = |number: u64| {
                        let payload = (thread * EACH + number).to_le_bytes().to_vec();
                        journal.append(at(number), payload).unwrap()
                    };
                    let tickets: Vec<Ticket> = (0..EACH).map(offer).collect();
                    tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut reader = journal.read_from(Sequence::NONE).unwrap();
            let mut read = Vec::new();
            while read.len() < usize::try_from(THREADS * EACH).unwrap() {
                match reader.read().unwrap() {
                    Some(entry) => read.push(entry),
                    None => std::thread::yield_now(),
                }
            }
            read
        });
        for appended in appended {
            let appended = appended.join().unwrap();
            assert!(appended.is_sorted(), "one thread's entries keep their order");
            numbers.extend(appended);
        }
        reader.join().unwrap()
    });
    assert_eq!(numbers, (1..=THREADS * EACH).map(Sequence).collect());
    assert_eq!(read, read_all(&journal, Sequence(1)));
    let payloads: BTreeSet<_> = read.iter().map(|entry| entry.payload.clone()).collect();
    assert_eq!(payloads.len(), read.len());
}

#[test]
fn the_queue_is_bounded_until_what_it_gave_out_is_settled() {
    let options = JournalOptions {
        queue_entries_max: 3,
        queue_bytes_max: 10,
        group_bytes_max: 6,
        ..JournalOptions::default()
    };
    let queue = Queue::new(&options);
    let push = |bytes: usize| queue.push(at(0), vec![0; bytes]).map(drop);
    push(4).unwrap();
    push(4).unwrap();
    let error = push(3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal is busy: 2 entries of 8 bytes wait to be written; retry later"
    );
    push(0).unwrap();
    assert!(matches!(push(0), Err(StoreError::Busy { entries: 3, .. })));
    assert_eq!(queue.take().unwrap().len(), 1, "two would be more than a group");
    assert!(push(0).is_err(), "what is being written counts");
    queue.settle(1, 4);
    push(6).unwrap();
    assert_eq!(queue.take().unwrap().len(), 2);
    queue.close();
    assert!(matches!(push(0), Err(StoreError::Closed)));
    assert_eq!(queue.take().unwrap().len(), 1, "what waits is still written");
    assert!(queue.take().is_none());
}

#[test]
fn a_ticket_can_be_awaited_and_never_hangs() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut future = std::pin::pin!(future);
        loop {
            if let std::task::Poll::Ready(value) =
                future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return value;
            }
            std::thread::park();
        }
    }
    let directory = TempDir::new().unwrap();
    let journal = open(directory.path(), 0).unwrap().0;
    let task = async {
        let first = journal.append(at(1), b"a".to_vec())?.await?;
        let second = journal.append(at(2), b"b".to_vec())?.await?;
        Ok::<_, StoreError>((first, second))
    };
    assert_eq!(block_on(task).unwrap(), (Sequence(1), Sequence(2)));
    let (ticket, resolver) = ticket::pair();
    drop(resolver);
    assert!(matches!(block_on(ticket), Err(StoreError::Closed)));
    let (ticket, resolver) = ticket::pair();
    let waits = std::thread::spawn(|| block_on(ticket));
    resolver.resolve(Ok(Sequence(9)));
    assert_eq!(waits.join().unwrap().unwrap(), Sequence(9));
}

#[test]
fn what_was_offered_before_closing_is_written() {
    let directory = TempDir::new().unwrap();
    let journal = open(directory.path(), 0).unwrap().0;
    let tickets: Vec<Ticket> =
        (0..50).map(|number| journal.append(at(number), vec![1; 100]).unwrap()).collect();
    drop(journal);
    assert!(tickets.into_iter().all(|ticket| ticket.wait().is_ok()));
    assert_eq!(open(directory.path(), 50).unwrap().1.last, Sequence(50));
}

#[test]
fn a_directory_is_open_once_and_options_must_work() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("a/b");
    let journal = open(&inner, 0).unwrap().0;
    let error = open(&inner, 0).unwrap_err().to_string();
    assert!(error.contains("is in use by another process; stop that one"), "{error}");
    let error = journal.append(at(0), vec![0; 201]).unwrap_err().to_string();
    assert!(error.contains("an entry of 201 bytes is more than the 200"), "{error}");
    drop(journal);
    let bad = |options: JournalOptions| {
        let directory = DataDirectory::open(&inner).unwrap();
        Journal::open(&directory, options, Counted::at(Sequence::NONE)).unwrap_err().to_string()
    };
    let error = bad(JournalOptions { file_bytes_max: 200, ..small() });
    assert!(error.contains("file_bytes_max cannot be 200; it must be enough"), "{error}");
    assert!(bad(JournalOptions { file_bytes_max: 2 << 30, ..small() }).contains("1 GiB"));
    assert!(bad(JournalOptions { queue_bytes_max: 9, ..small() }).contains("entry_bytes_max"));
    assert!(bad(JournalOptions { queue_entries_max: 0, ..small() }).contains("at least 1"));
    assert_eq!(files::open(&inner.join("journal"), Sequence::NONE).unwrap().2.last, Sequence(0));
}

#[test]
fn nothing_is_deleted_while_files_are_copied() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory.path().join("data"), 0).unwrap();
    let mut list = Vec::new();
    append(&journal, &mut list, &vec![vec![1; 100]; 12]);
    journal.counted.set(Sequence(12));
    let files = journal.files().len();
    let (first, second) = (journal.shared().hold(), journal.shared().hold());
    assert_eq!(journal.release(Sequence(12)).unwrap(), 0);
    drop(first);
    assert_eq!(journal.release(Sequence(12)).unwrap(), 0);
    let copy = directory.path().join("copy");
    fs::create_dir(&copy).unwrap();
    second.copy(Sequence(5), &copy).unwrap();
    // Entries that come later are not in it.
    append(&journal, &mut list, &[vec![2; 100]]);
    assert_eq!(check(&copy, Sequence(5)).unwrap(), Sequence(12));
    let names = fs::read_dir(&copy).unwrap().count();
    assert!(names < files, "{names} of {files} files are needed from entry 5 on");
    assert!(check(&copy, Sequence(0)).is_err(), "the first entries are not in it");
    assert!(check(&copy, Sequence(13)).is_err(), "nor are the last");
    drop(second);
    assert!(journal.release(Sequence(12)).unwrap() > 0);
}
