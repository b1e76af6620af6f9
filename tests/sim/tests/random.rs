//! Random schedules, shrunk where they fail, and what a schedule is.

use downlink_sim::{Schedule, replay, run, schedules};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

#[test]
fn no_schedule_breaks_a_rule() {
    let config = Config {
        cases: 300,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };

    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&schedules(300), |schedule| {
        run(&schedule).map(|_| ()).map_err(|violation| {
            let text = format!("{violation}\n{}", schedule.to_text());
            TestCaseError::fail(text)
        })
    });

    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn a_schedule_goes_the_same_way_each_time_and_survives_being_written_down() {
    let mut runner = TestRunner::deterministic();
    let folder = std::env::temp_dir().join(format!("downlink-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..20 {
        let schedule = schedules(60).new_tree(&mut runner).unwrap().current();
        let path = folder.join(format!("{number}.schedule"));
        std::fs::write(&path, schedule.to_text()).unwrap();

        assert_eq!(Schedule::from_text(&schedule.to_text()).unwrap(), schedule);
        let (first, again) = (replay(&path).unwrap(), replay(&path).unwrap());
        assert_eq!(first.lines, again.lines);
        assert!(!first.lines.is_empty());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_once_broke_a_rule_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schedules");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let schedule = Schedule::from_text(&std::fs::read_to_string(&path).unwrap()).unwrap();

        if let Err(violation) = run(&schedule) {
            panic!("{}: {violation}", path.display());
        }
        count += 1;
    }

    assert!(count > 0);
}
