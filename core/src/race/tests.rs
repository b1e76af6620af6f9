//! Races between five invented transports: carrier pigeon, semaphore, drum, smoke and bottle post, best first. Only the
//! drum opens cheaply.

use super::*;

const PIGEON: usize = 0;
const SEMAPHORE: usize = 1;
const DRUM: usize = 2;
const SMOKE: usize = 3;
const BOTTLE: usize = 4;

#[test]
fn an_unknown_network_is_opened_with_the_cheap_exchange_alone() {
    let mut world = World::new();

    world.start(None);
    world.pass(1_900);

    assert_eq!(world.opened(), [(DRUM, Role::Opening)]);
}

#[test]
fn the_best_starts_beside_an_opening_that_stays_silent() {
    let mut world = World::new();

    world.start(None);
    world.pass(2_100);

    assert_eq!(
        world.opened(),
        [(DRUM, Role::Opening), (PIGEON, Role::Start)]
    );
}

#[test]
fn a_known_network_starts_with_what_worked_and_waits_by_what_it_took() {
    let mut world = World::new();

    world.start(Some((PIGEON, 200)));
    world.pass(309);
    assert_eq!(world.opened(), [(PIGEON, Role::Start)]);

    world.pass(2);
    assert_eq!(
        world.opened(),
        [(PIGEON, Role::Start), (DRUM, Role::Opening)]
    );
}

#[test]
fn a_head_start_is_never_shorter_than_150_ms_nor_longer_than_two_seconds() {
    for (took, head_start) in [(1, 150), (100, 170), (1_000, 1_430), (60_000, 2_000)] {
        let mut world = World::new();

        world.start(Some((PIGEON, took)));
        world.pass(head_start - 1);
        assert_eq!(world.opened().len(), 1, "{took}");

        world.pass(2);
        assert_eq!(world.opened().len(), 2, "{took}");
    }
}

#[test]
fn without_a_cheap_opening_the_candidates_follow_each_other_best_first() {
    let mut world = World::without_opening();

    world.start(None);
    for _ in 0..4 {
        world.pass(351);
    }

    let ranks: Vec<_> = world.opened().iter().map(|(rank, _)| *rank).collect();
    assert_eq!(ranks, [PIGEON, SEMAPHORE, DRUM, SMOKE, BOTTLE]);
}

#[test]
fn a_failure_starts_the_next_at_once() {
    let mut world = World::new();
    world.start(None);

    world.fail(DRUM);

    assert_eq!(
        world.opened(),
        [(DRUM, Role::Opening), (PIGEON, Role::Start)]
    );
}

#[test]
fn a_first_frame_starts_no_further_candidate_however_long_the_welcome_takes() {
    let mut world = World::new();
    world.start(None);

    world.hear(DRUM);
    world.pass(60_000);

    assert_eq!(world.opened(), [(DRUM, Role::Opening)]);
}

#[test]
fn a_better_candidate_under_way_keeps_its_chance_and_a_worse_one_is_dropped() {
    let mut world = World::without_opening();
    world.start(None);
    world.pass(351);
    world.pass(351);

    world.welcome(SEMAPHORE);

    assert_eq!(world.primary(), Some(SEMAPHORE));
    assert_eq!(world.dropped(), [DRUM]);
    world.complete(PIGEON);
    assert_eq!(world.primary(), Some(PIGEON));
}

#[test]
fn climbing_tries_better_ranks_one_after_another() {
    let mut world = World::new();
    world.start(None);
    world.welcome(DRUM);

    world.climb();
    world.pass(1);
    assert_eq!(world.opened()[1..], [(PIGEON, Role::Start)]);
    world.fail(PIGEON);
    world.pass(1);

    assert_eq!(
        world.opened()[1..],
        [(PIGEON, Role::Start), (SEMAPHORE, Role::Start)]
    );
    assert_eq!(world.primary(), Some(DRUM));
}

#[test]
fn a_climber_takes_over_when_it_is_complete_not_when_it_is_welcome() {
    let mut world = World::new();
    world.start(None);
    world.welcome(DRUM);
    world.climb();
    world.pass(1);

    world.welcome(PIGEON);
    assert_eq!(world.primary(), Some(DRUM));

    world.complete(PIGEON);
    assert_eq!(world.primary(), Some(PIGEON));
}

#[test]
fn a_climber_without_a_frame_is_late_although_nobody_else_is_in_a_hurry() {
    let mut world = World::new();
    world.start(None);
    world.pass(200);
    world.welcome(DRUM);
    world.climb();
    world.pass(1);

    world.pass(2_900);
    assert!(world.late().is_empty());

    world.pass(200);
    assert_eq!(world.late(), [PIGEON]);
}

#[test]
fn what_fails_beside_a_working_path_is_left_out_for_a_while_that_grows() {
    let mut world = World::new();
    world.start(None);
    world.welcome(DRUM);
    world.climb();

    let mut tries = Vec::new();
    for second in 0..4_000_u64 {
        world.pass(1_000);
        for rank in [PIGEON, SEMAPHORE] {
            if world.is_trying(rank) {
                if rank == PIGEON {
                    tries.push(second);
                }
                world.fail(rank);
            }
        }
    }

    let pauses: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((30..=46).contains(&pauses[0]), "{pauses:?}");
    assert!((120..=182).contains(&pauses[1]), "{pauses:?}");
    assert!((480..=722).contains(&pauses[2]), "{pauses:?}");
    assert_eq!(world.last_role(PIGEON), Role::Probe);
}

#[test]
fn when_nothing_gets_through_nothing_is_blamed() {
    let mut world = World::new();
    world.start(None);

    for rank in [DRUM, PIGEON, SEMAPHORE, SMOKE, BOTTLE] {
        world.fail(rank);
    }

    assert_eq!(world.gave_up.len(), 1);
    assert_eq!(world.gave_up[0].len(), 5);
    assert!(!world.race.is_exhausted(world.now));
    world.start(None);
    assert_eq!(world.opened()[5..], [(DRUM, Role::Opening)]);
}

#[test]
fn what_dies_on_probation_falls_behind_the_others() {
    let mut world = World::new();
    world.start(Some((PIGEON, 100)));
    world.welcome(PIGEON);

    world.pass(500);
    assert_eq!(world.fail(PIGEON), Some(Loss::OnProbation));
    world.start(Some((PIGEON, 100)));

    assert_eq!(world.opened()[1..], [(DRUM, Role::Opening)]);
}

#[test]
fn a_flapping_best_is_not_tried_a_third_time_within_a_minute() {
    let mut world = World::new();
    world.start(None);
    let mut tries = Vec::new();

    for tenth in 0..3_000_u64 {
        if world.primary().is_none() && !world.is_trying(DRUM) {
            world.start(None);
        }
        if world.is_trying(DRUM) {
            world.welcome(DRUM);
            world.climb();
        }
        if world.is_trying(PIGEON) {
            tries.push(tenth * 100);
            world.complete(PIGEON);
            world.pass(300);
            world.fail(PIGEON);
        }
        if world.is_trying(SEMAPHORE) {
            world.fail(SEMAPHORE);
        }
        world.pass(100);
    }

    assert!(tries.len() >= 2, "{tries:?}");
    assert!(
        tries.windows(3).all(|three| three[2] - three[0] > 60_000),
        "{tries:?}"
    );
}

#[test]
fn only_what_stood_its_trial_is_remembered() {
    let mut world = World::new();
    world.start(None);
    world.pass(120);
    world.welcome(DRUM);

    world.pass(4_900);
    assert!(world.remembered.is_empty());

    world.pass(200);
    assert_eq!(world.remembered, [(DRUM, Some(Duration::from_millis(120)))]);
    assert_eq!(world.fail(DRUM), Some(Loss::Proven));
}

#[test]
fn a_rank_that_the_server_does_not_have_is_never_tried() {
    let mut world = World::new();
    world.start(None);
    world.race.on_available(|rank| rank >= SEMAPHORE);
    world.welcome(DRUM);

    world.climb();
    world.pass(1);
    world.fail(SEMAPHORE);
    world.pass(3_600_000);

    assert!(world.opened().iter().all(|(rank, _)| *rank != PIGEON));
}

#[test]
fn a_climber_that_got_outdated_is_tried_again_without_blame() {
    let mut world = World::new();
    world.start(None);
    world.welcome(DRUM);
    world.climb();
    world.pass(1);

    let pigeon = world.connection(PIGEON);
    world
        .race
        .on_outdated(pigeon, Duration::ZERO, &mut world.timers, world.now);
    world.pass(1);

    assert_eq!(
        world.opened()[1..],
        [(PIGEON, Role::Start), (PIGEON, Role::Start)]
    );
}

#[test]
fn a_climber_that_the_primary_itself_catches_up_with_makes_room_for_a_better_one() {
    let mut world = World::new();
    world.start(None);
    world.welcome(DRUM);
    world.climb();
    world.pass(0);
    world.fail(PIGEON);
    world.pass(0);
    assert!(world.is_trying(SEMAPHORE));

    world.go_on_as(DRUM, SEMAPHORE);

    assert_eq!(world.dropped(), [SEMAPHORE]);
    world.climb();
    world.pass(60_000);
    assert_eq!(world.opened().last(), Some(&(PIGEON, Role::Probe)));
}

struct World {
    race: Race,
    timers: Timers,
    rng: Rng,
    now: Instant,
    opened: Vec<(usize, Role)>,
    dropped: Vec<usize>,
    late: Vec<usize>,
    gave_up: Vec<Vec<Reason>>,
    remembered: Vec<(usize, Option<Duration>)>,
}

impl World {
    fn new() -> Self {
        Self::with_opening(Some(DRUM))
    }

    fn without_opening() -> Self {
        Self::with_opening(None)
    }

    fn with_opening(opening: Option<usize>) -> Self {
        Self {
            race: Race::new(5, opening, Duration::from_millis(350)),
            timers: Timers::default(),
            rng: Rng::new([3; 32]),
            now: Instant::new(Duration::from_secs(1_000)),
            opened: Vec::new(),
            dropped: Vec::new(),
            late: Vec::new(),
            gave_up: Vec::new(),
            remembered: Vec::new(),
        }
    }

    fn start(&mut self, known: Option<(usize, u64)>) {
        let known = known.map(|(rank, took)| (rank, Duration::from_millis(took)));
        self.race.start(known, &mut self.timers, self.now);
        self.settle();
    }

    /// Lets so many milliseconds pass.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(at) = self.timers.next().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            while let Some((timer, _)) = self.timers.pop(self.now) {
                match timer {
                    Timer::Climb => self.race.on_climb(&mut self.timers, self.now),
                    Timer::FirstFrame(connection) => self.late.push(self.rank(connection)),
                    Timer::HeadStart => self.race.on_head_start_over(&mut self.timers, self.now),
                    Timer::Probation => self.race.on_probation_over(),
                    Timer::Ask(_)
                    | Timer::Attempt
                    | Timer::Bye
                    | Timer::Codec(_)
                    | Timer::Drain
                    | Timer::Lease
                    | Timer::Linger(_)
                    | Timer::Outbox
                    | Timer::Probe(_)
                    | Timer::Silence(_)
                    | Timer::Snapshot(_)
                    | Timer::Successor
                    | Timer::Token
                    | Timer::Unanswered => panic!("{timer:?} is no race's"),
                }
                self.settle();
            }
        }
        self.now = end;
    }

    fn hear(&mut self, rank: usize) {
        let connection = self.connection(rank);
        self.race
            .on_first_frame(connection, &mut self.timers, self.now);
        self.settle();
    }

    fn welcome(&mut self, rank: usize) {
        self.hear(rank);
        let connection = self.connection(rank);
        self.race.on_welcome(
            connection,
            Duration::from_secs(5),
            &mut self.timers,
            &mut self.rng,
            self.now,
        );
        self.settle();
    }

    fn complete(&mut self, rank: usize) {
        self.welcome(rank);
        let connection = self.connection(rank);
        self.race.on_complete(
            connection,
            Duration::from_secs(5),
            &mut self.timers,
            &mut self.rng,
            self.now,
        );
        self.settle();
    }

    /// The connection of `rank` works as one of `other` from here on.
    fn go_on_as(&mut self, rank: usize, other: usize) {
        let connection = self.connection(rank);
        self.race.on_mode(connection, other);
        self.settle();
    }

    fn climb(&mut self) {
        self.race
            .climb_after(Duration::ZERO, &mut self.timers, self.now);
    }

    fn fail(&mut self, rank: usize) -> Option<Loss> {
        let connection = self.connection(rank);
        self.timers.cancel_all_of(connection);
        let loss = self.race.on_failed(
            connection,
            &Reason::Late,
            &mut self.timers,
            &mut self.rng,
            self.now,
        );
        self.settle();

        loss
    }

    fn settle(&mut self) {
        while let Some(step) = self.race.poll() {
            match step {
                Step::Drop(connection) => self.dropped.push(self.rank(connection)),
                Step::GiveUp(reasons) => self.gave_up.push(reasons),
                Step::Open(rank, role) => {
                    let connection = ConnectionId(self.opened.len() as u64);
                    self.opened.push((rank, role));
                    self.race.add(connection, rank, &mut self.timers, self.now);
                }
                Step::Promote(_) => {}
                Step::Remember(rank, took) => self.remembered.push((rank, took)),
            }
        }
    }

    fn opened(&self) -> &[(usize, Role)] {
        &self.opened
    }

    fn dropped(&self) -> &[usize] {
        &self.dropped
    }

    fn late(&self) -> &[usize] {
        &self.late
    }

    fn primary(&self) -> Option<usize> {
        self.race.primary().map(|connection| self.rank(connection))
    }

    fn is_trying(&self, rank: usize) -> bool {
        self.opened
            .iter()
            .rposition(|(other, _)| *other == rank)
            .is_some_and(|at| self.race.is_trial(ConnectionId(at as u64)))
    }

    fn last_role(&self, rank: usize) -> Role {
        self.opened[self.connection(rank).0 as usize].1
    }

    /// The last connection of this rank.
    fn connection(&self, rank: usize) -> ConnectionId {
        let at = self
            .opened
            .iter()
            .rposition(|(other, _)| *other == rank)
            .unwrap();

        ConnectionId(at as u64)
    }

    fn rank(&self, connection: ConnectionId) -> usize {
        self.opened[connection.0 as usize].0
    }
}
