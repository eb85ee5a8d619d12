use proptest::prelude::*;

use super::*;

fn spec(name: u8, env: u8, startup_order: u32, running: bool) -> ModuleSpec {
    ModuleSpec {
        name: format!("m{name}"),
        workload: Workload::Process(ProcessSpec {
            program: "/bin/true".into(),
            args: Vec::new(),
            env: vec![("X".to_owned(), env.to_string())],
        }),
        startup_order,
        restart_policy: RestartPolicy::Always,
        status: if running {
            DesiredStatus::Running
        } else {
            DesiredStatus::Stopped
        },
    }
}

fn plan() -> impl Strategy<Value = BTreeMap<String, ModuleSpec>> {
    proptest::collection::vec((0..4u8, 0..2u8, 0..3u32, any::<bool>()), 0..6).prop_map(|modules| {
        let specs = modules.into_iter().map(|(name, env, order, running)| {
            let spec = spec(name, env, order, running);
            (spec.name.clone(), spec)
        });
        specs.collect()
    })
}

proptest! {
    /// Against the naive way: to end everything and begin everything.
    #[test]
    fn a_transition_leads_to_the_plan_and_disturbs_nobody_else(running in plan(), wanted in plan()) {
        let transition = Transition::between(&running, wanted.values().cloned().collect());
        let mut after = running.clone();
        for name in &transition.end {
            prop_assert!(after.remove(name).is_some());
            prop_assert!(wanted.get(name) != running.get(name));
        }
        for spec in &transition.begin {
            prop_assert!(after.insert(spec.name.clone(), spec.clone()).is_none());
        }
        let without_order = |plan: &BTreeMap<String, ModuleSpec>| -> Vec<ModuleSpec> {
            let specs = plan.values().cloned();
            specs.map(|spec| ModuleSpec { startup_order: 0, ..spec }).collect()
        };
        prop_assert_eq!(without_order(&after), without_order(&wanted));
        prop_assert!(transition.begin.is_sorted_by_key(|spec| spec.startup_order));
    }
}

#[test]
fn another_order_is_no_reason_to_start_anew() {
    let running = BTreeMap::from([("m0".to_owned(), spec(0, 0, 1, true))]);
    let transition = Transition::between(&running, vec![spec(0, 0, 2, true)]);
    assert_eq!(transition, Transition::default());
}
