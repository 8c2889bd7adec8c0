//! Who is served when: turns, quotas, leases, as the store sees them.

use std::collections::HashSet;
use std::time::Duration;

use codecanvas::auth::Viewer;
use codecanvas::domain::ids::WorkerId;
use codecanvas::domain::limits::RequestedLimits;
use codecanvas::domain::verdict::Verdict;
use codecanvas::service::input::NewSubmissionInput;
use codecanvas::service::{attempts, submissions};
use codecanvas::store::queue::{self, Claim, Claimant, Claimed};
use codecanvas::store::{attempts as rows, events, leases, log};
use tokio::time::timeout;

use super::support::workshop::{PATIENCE, Workshop, bash};

const LEASE: Duration = Duration::from_mins(1);

fn claimant() -> Claimant {
    Claimant {
        worker_id: WorkerId::new(),
        languages: vec!["bash".to_owned()],
        versions: vec!["GNU bash 5".to_owned()],
        lease: LEASE,
    }
}

/// One claim as a worker makes it, without running anything.
async fn claim(shop: &Workshop, claimant: &Claimant) -> Option<Claim> {
    match queue::claim(&mut shop.pool().acquire().await.unwrap(), claimant, &[]).await.unwrap() {
        Claimed::Ours(claim) => Some(*claim),
        Claimed::Nothing | Claimed::AtQuota(_) => None,
    }
}

async fn workshop(running: u32) -> Workshop {
    let shop = Workshop::open_with(|settings| settings.quota.user.running = running).await;
    shop.promise_bash().await;
    shop
}

async fn submit_many(shop: &Workshop, viewer: &Viewer, count: usize) {
    for _ in 0..count {
        shop.submit(viewer, "echo").await;
    }
}

#[tokio::test]
async fn users_are_served_in_turn_however_many_one_of_them_hands_in() {
    let shop = workshop(1000).await;
    let (greedy, ada, ben) = (shop.user("greedy").await, shop.user("ada").await, shop.user("ben").await);
    submit_many(&shop, &greedy, 50).await;
    submit_many(&shop, &ada, 2).await;
    submit_many(&shop, &ben, 1).await;
    let claimant = claimant();
    let mut served = Vec::new();
    for _ in 0..6 {
        served.push(claim(&shop, &claimant).await.unwrap().user_id);
    }
    assert_eq!(served[..3].iter().collect::<HashSet<_>>().len(), 3, "each user's first one comes first");
    assert_eq!(served.iter().filter(|user| **user == ada.user_id).count(), 2);
    // Somebody who comes later does not wait behind what is left.
    submit_many(&shop, &ben, 1).await;
    let next = [claim(&shop, &claimant).await.unwrap().user_id, claim(&shop, &claimant).await.unwrap().user_id];
    assert!(next.contains(&ben.user_id));
}

#[tokio::test]
async fn a_user_at_the_quota_does_not_block_others() {
    let shop = workshop(2).await;
    let (greedy, ada) = (shop.user("greedy").await, shop.user("ada").await);
    submit_many(&shop, &greedy, 20).await;
    let claimant = claimant();
    let first = claim(&shop, &claimant).await.unwrap();
    assert!(claim(&shop, &claimant).await.is_some());
    assert!(claim(&shop, &claimant).await.is_none(), "two run, eighteen wait");
    submit_many(&shop, &ada, 1).await;
    assert_eq!(claim(&shop, &claimant).await.unwrap().user_id, ada.user_id);
    // A place that becomes free is taken.
    let mut tx = shop.pool().begin().await.unwrap();
    let open = leases::lock_leased(&mut tx, first.attempt_id, first.lease_id).await.unwrap().unwrap();
    rows::requeue(&mut tx, &open, false).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim(&shop, &claimant).await.unwrap().user_id, greedy.user_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_claim_at_the_same_time_keep_the_quota_and_share_nothing() {
    let shop = workshop(3).await;
    let (ada, ben) = (shop.user("ada").await, shop.user("ben").await);
    submit_many(&shop, &ada, 20).await;
    submit_many(&shop, &ben, 20).await;
    let claims = futures_util::future::join_all((0..8).map(|_| async {
        let claimant = claimant();
        let mut own = Vec::new();
        for _ in 0..5 {
            own.extend(claim(&shop, &claimant).await);
        }
        own
    }))
    .await;
    let all: Vec<_> = claims.into_iter().flatten().collect();
    let distinct: HashSet<_> = all.iter().map(|claim| claim.attempt_id).collect();
    assert_eq!(distinct.len(), all.len());
    let of = |viewer: &Viewer| all.iter().filter(|claim| claim.user_id == viewer.user_id).count();
    assert_eq!((of(&ada), of(&ben)), (3, 3));
}

#[tokio::test]
async fn too_much_is_refused_with_the_time_to_come_back() {
    let shop = Workshop::open_with(|settings| {
        settings.quota.user.waiting = 2;
        settings.quota.user.per_minute = 4;
        settings.queue.capacity = 5;
    })
    .await;
    shop.promise_bash().await;
    let ada = shop.user("ada").await;
    submit_many(&shop, &ada, 2).await;
    let bash = super::support::workshop::bash;
    let refused = shop.hand_in(&ada, bash("echo")).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), ("RATE_LIMITED", Some(Duration::from_secs(1))));
    // Two more of this minute once the others are out of the way.
    for _ in 0..2 {
        while let Some(claim) = claim(&shop, &claimant()).await {
            attempts::cancel(&shop.services, &ada, claim.attempt_id).await.unwrap();
        }
        submit_many(&shop, &ada, 1).await;
    }
    while claim(&shop, &claimant()).await.is_some() {}
    let refused = shop.hand_in(&ada, bash("echo")).await.unwrap_err();
    assert_eq!(refused.code(), "RATE_LIMITED");
    let wait = refused.retry_after().unwrap();
    assert!(wait > Duration::from_secs(30) && wait <= Duration::from_mins(1), "{wait:?}");
    // A rerun counts as well.
    for name in ["u1", "u2", "u3"] {
        let user = shop.user(name).await;
        let result = shop.hand_in(&user, bash("echo")).await;
        let (submission, _) = result.unwrap();
        let again = submissions::rerun(&shop.services, &user, submission.id, RequestedLimits::default()).await;
        if name == "u3" {
            assert_eq!(again.unwrap_err().code(), "OVERLOADED");
        } else {
            again.unwrap();
        }
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_writes_nothing_and_a_new_one_does() {
    let shop = workshop(10).await;
    let ada = shop.user("ada").await;
    let (_, attempt) = shop.submit(&ada, "echo").await;
    let short = Claimant { lease: Duration::from_millis(1), ..claimant() };
    let old = claim(&shop, &short).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let batch = |claim: &Claim, first_sequence| events::Batch {
        attempt_id: claim.attempt_id,
        lease_id: claim.lease_id,
        first_sequence,
        events: vec![],
    };
    let turns = async |batches: &[&events::Batch]| {
        let mut tx = shop.pool().begin().await.unwrap();
        events::lock(&mut tx, batches).await.unwrap()
    };
    assert_eq!(turns(&[&batch(&old, 1)]).await, [events::Turn::Lost]);
    let mut conn = shop.pool().acquire().await.unwrap();
    assert_eq!(leases::extend(&mut conn, &[old.lease_id], LEASE).await.unwrap(), []);
    let mut tx = shop.pool().begin().await.unwrap();
    let [expired] = leases::lock_expired(&mut tx, 10).await.unwrap()[..] else { panic!("one has expired") };
    assert_eq!(expired.attempt_id, attempt.id);
    rows::requeue(&mut tx, &expired, true).await.unwrap();
    tx.commit().await.unwrap();
    let new = claim(&shop, &claimant()).await.unwrap();
    assert_eq!(new.next_sequence, 2);
    assert_eq!(turns(&[&batch(&new, 2)]).await, [events::Turn::Next]);
    assert_eq!(turns(&[&batch(&old, 1)]).await, [events::Turn::Lost]);
    // A worker that has lost a lease and claimed the attempt anew hands in what is left of the old run as well.
    let both = [&batch(&old, 2), &batch(&new, 2)];
    assert_eq!(turns(&both).await, [events::Turn::Lost, events::Turn::Next]);
    // Nor does it conclude the attempt, nor the new one out of turn, nor twice.
    for (lease_id, sequence, is_done) in
        [(old.lease_id, 2, false), (new.lease_id, 3, false), (new.lease_id, 2, true), (new.lease_id, 2, false)]
    {
        let conclusion = rows::Conclusion {
            attempt_id: attempt.id,
            by: Some((lease_id, sequence)),
            verdict: Verdict::Ok,
            states: Vec::new(),
            steps: &[],
            log: log::list(&mut conn, attempt.id).await.unwrap(),
            at: chrono::Utc::now(),
        };
        assert_eq!(rows::conclude(&mut conn, conclusion).await.unwrap(), is_done, "by {lease_id} at {sequence}");
    }
    assert_eq!(log::list(&mut conn, attempt.id).await.unwrap().len(), 3, "queued twice, finished once");
}

#[tokio::test]
async fn one_knows_how_many_are_ahead() {
    let shop = workshop(10).await;
    let (ada, ben) = (shop.user("ada").await, shop.user("ben").await);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(shop.submit(&ada, "echo").await.1.id);
    }
    let late = shop.submit(&ben, "echo").await.1.id;
    ids.push(late);
    let positions = attempts::queue_positions(&shop.services, &ids).await.unwrap();
    assert_eq!((positions[&ids[0]], positions[&late], positions[&ids[1]], positions[&ids[2]]), (0, 1, 2, 3));
    claim(&shop, &claimant()).await.unwrap();
    let positions = attempts::queue_positions(&shop.services, &ids).await.unwrap();
    assert_eq!((positions.get(&ids[0]), positions[&late]), (None, 0));
}

#[tokio::test]
async fn in_a_queue_of_ten_thousand_the_front_is_found_by_an_index_and_nobody_waits_for_all() {
    let shop = workshop(10).await;
    let (greedy, ada) = (shop.user("greedy").await, shop.user("ada").await);
    let submission = shop.submit(&greedy, "echo").await.0.id;
    let mut tx = shop.pool().begin().await.unwrap();
    // Looking up what each row refers to would take most of the test.
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
    sqlx::query(
        "WITH more AS (
             INSERT INTO attempts (id, submission_id, number, requested_by, requested_limits, state)
             SELECT gen_random_uuid(), $1, n, $2, '{}', 'QUEUED' FROM generate_series(2, 10000) AS n
             RETURNING id, number
         )
         INSERT INTO queue (attempt_id, user_id, language, running_quota, turn)
         SELECT id, $2, 'bash', 10, number FROM more",
    )
    .bind(submission)
    .bind(greedy.user_id)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    sqlx::query("ANALYZE queue").execute(shop.pool()).await.unwrap();
    let refused = shop.hand_in(&ada, super::support::workshop::bash("echo")).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), ("OVERLOADED", Some(Duration::from_secs(5))));
    sqlx::query("DELETE FROM queue WHERE turn = 10000").execute(shop.pool()).await.unwrap();
    let late = shop.submit(&ada, "echo").await.1.id;

    let claimant = claimant();
    let mut served = Vec::new();
    for _ in 0..2 {
        let mut tx = shop.pool().begin().await.unwrap();
        let before = whole_reads(&mut tx).await;
        let Claimed::Ours(claim) = queue::claim(&mut tx, &claimant, &[]).await.unwrap() else { panic!("none") };
        served.push(claim.attempt_id);
        assert_eq!(whole_reads(&mut tx).await, before, "a claim reads the whole queue");
        tx.commit().await.unwrap();
    }
    assert!(served.contains(&late), "9998 of somebody else came first");
}

/// How often the connection has read the queue from end to end, since Postgres last collected that.
async fn whole_reads(conn: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'queue'")
        .fetch_one(conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_handed_in_goes_by_what_was_on_offer_but_not_for_long() {
    let shop = workshop(1).await;
    let ada = shop.user("ada").await;
    shop.submit(&ada, "echo").await;
    sqlx::query("UPDATE workers SET languages = jsonb_set(languages, '{0,name}', '\"fish\"')")
        .execute(shop.pool())
        .await
        .unwrap();
    // Nobody but those who hand in asks what is on offer; refused, they are told what is there now.
    let refusal = timeout(PATIENCE, async {
        loop {
            if let Err(error) = shop.hand_in(&ada, bash("echo")).await {
                return error.to_string();
            }
        }
    });
    let refusal = refusal.await.expect("it is still taken");
    assert!(refusal.contains("bash"), "{refusal}");
    shop.hand_in(&ada, NewSubmissionInput { language: "fish".to_owned(), ..bash("echo") }).await.unwrap();
}
