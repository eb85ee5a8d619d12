//! Whether routes and modules fit together.
//!
//! None of this is an error to the runtime: a message that nothing takes is dropped, one that goes to a module nobody
//! deployed waits until its time is over. What a module listens to and speaks on is known only when its `module.json`
//! says so, in `inputs` and `outputs`.

use std::collections::BTreeMap;

use super::Interface;
use super::agent::AgentRead;
use super::hub::{HubRead, RouteRead};
use super::read::Section;
use super::reader::Reader;
use crate::problem::Severity;
use crate::route::{MessageSource, Sink};
use crate::suggest::closest;

const SYSTEM: [&str; 2] = ["$edgeAgent", "$edgeHub"];

pub(super) fn check(
    reader: &mut Reader<'_>,
    sections: &[Section],
    agent: &AgentRead,
    hub: &HubRead,
    layered: bool,
    interfaces: &BTreeMap<String, Interface>,
) {
    covered(reader, &hub.routes);
    // A layered manifest may speak of modules that other layers bring.
    if layered {
        return;
    }
    let modules: Vec<&str> = agent
        .name_spans
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for section in sections {
        let name = section.name.as_str();
        if !SYSTEM.contains(&name) && !modules.contains(&name) {
            let message = format!("there is no module `{name}` whose twin this could be");
            reader.warning(&section.name_span, message, suggestion(name, &modules));
        }
    }
    for read in &hub.routes {
        source(reader, read, &modules, interfaces);
        sink(reader, read, &modules, interfaces);
    }
    for (name, span) in &agent.name_spans {
        let Some(interface) = interfaces.get(name) else {
            continue;
        };
        let deaf = interface
            .inputs
            .iter()
            .flatten()
            .filter(|input| !is_fed(&hub.routes, name, input));
        for input in deaf {
            let message = format!("no route leads to the input `{input}` of `{name}`");
            let help =
                format!("add a route INTO BrokeredEndpoint(\"/modules/{name}/inputs/{input}\")");
            reader.warning(span, message, help);
        }
        let lost = interface
            .outputs
            .iter()
            .flatten()
            .filter(|output| !is_taken(&hub.routes, name, output));
        for output in lost {
            let message = format!(
                "no route takes the output `{output}` of `{name}`: its messages are dropped"
            );
            let help = format!("add a route FROM /messages/modules/{name}/outputs/{output}");
            reader.warning(span, message, help);
        }
    }
}

fn source(
    reader: &mut Reader<'_>,
    read: &RouteRead,
    modules: &[&str],
    interfaces: &BTreeMap<String, Interface>,
) {
    let route = &read.route.route;
    let position = reader
        .source
        .position_in_string(&read.literal, route.source_span().start);
    let Some(name) = route.source().module() else {
        return;
    };
    let known = modules
        .iter()
        .find(|module| module.eq_ignore_ascii_case(name));
    let Some(module) = known else {
        if !SYSTEM.contains(&name) && name != "*" {
            let message = format!("there is no module `{name}`");
            reader.report(
                Severity::Warning,
                position,
                message,
                suggestion(name, modules),
            );
        }
        return;
    };
    let outputs = interfaces
        .get(*module)
        .and_then(|interface| interface.outputs.as_ref());
    if let (Some(output), Some(outputs)) = (route.source().output(), outputs)
        && !outputs
            .iter()
            .any(|known| known.eq_ignore_ascii_case(output))
    {
        let message = format!("`{module}` has no output `{output}`");
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        reader.report(
            Severity::Warning,
            position,
            message,
            suggestion(output, &outputs),
        );
    }
}

fn sink(
    reader: &mut Reader<'_>,
    read: &RouteRead,
    modules: &[&str],
    interfaces: &BTreeMap<String, Interface>,
) {
    let route = &read.route.route;
    let Sink::Module { module, input } = route.sink() else {
        return;
    };
    let position = reader
        .source
        .position_in_string(&read.literal, route.sink_span().start);
    if !modules.contains(&module.as_str()) {
        let message =
            format!("there is no module `{module}`: the messages wait until their time is over");
        reader.report(
            Severity::Warning,
            position,
            message,
            suggestion(module, modules),
        );
        return;
    }
    let inputs = interfaces
        .get(module)
        .and_then(|interface| interface.inputs.as_ref());
    if let Some(inputs) = inputs.filter(|inputs| !inputs.contains(input)) {
        let message = format!("`{module}` does not listen to the input `{input}`");
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        reader.report(
            Severity::Warning,
            position,
            message,
            suggestion(input, &inputs),
        );
    }
}

/// Routes whose messages all go to the same place by another route anyway. Of two routes to one place edgeHub uses the
/// one with the first priority, so a route counts as covered unless its own priority is before the other's.
fn covered(reader: &mut Reader<'_>, routes: &[RouteRead]) {
    for (index, read) in routes.iter().enumerate() {
        let other = routes.iter().enumerate().find(|(other_index, other)| {
            let covers = read.route.route.is_covered_by(&other.route.route)
                && other.route.priority <= read.route.priority;
            let mutual = other.route.route.is_covered_by(&read.route.route)
                && other.route.priority == read.route.priority;
            // Of two routes that are the same, the later one is too many.
            *other_index != index && covers && (!mutual || *other_index < index)
        });
        if let Some((_, other)) = other {
            let message = format!(
                "every message of this route goes to the same place by the route `{}`",
                other.route.name
            );
            let position = reader.source.position(read.literal.start);
            let help = "take it out, or give it a priority before the other's";
            reader.report(Severity::Warning, position, message, help.to_owned());
        }
    }
}

fn is_fed(routes: &[RouteRead], module: &str, input: &str) -> bool {
    let wanted = Sink::Module {
        module: module.to_owned(),
        input: input.to_owned(),
    };
    routes.iter().any(|read| *read.route.route.sink() == wanted)
}

fn is_taken(routes: &[RouteRead], module: &str, output: &str) -> bool {
    let source = MessageSource::Module {
        module,
        output: Some(output),
    };
    routes
        .iter()
        .any(|read| read.route.route.source().matches(source))
}

fn suggestion(name: &str, known: &[&str]) -> String {
    match closest(name, known.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None if known.is_empty() => String::new(),
        None => format!("there are {}", known.join(", ")),
    }
}
