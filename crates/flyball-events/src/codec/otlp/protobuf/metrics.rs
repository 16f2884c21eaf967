//! Metrics in protobuf. Numbers of fields are those of `metrics.proto` 1.x.

use super::super::Origin;
use super::super::metrics::{Base, Metric, Point, Shape, Side, Taker};
use super::message::{Message, Told, attribute, attributes, excerpt, scope_of};
use crate::codec::wire::{Fault, Fields, Wire, doubles, fixed64s, text, varints, zigzag};

/// Reads an `ExportMetricsServiceRequest`.
///
/// On a fault of the whole message, where it is: the byte, from 1, at which the part that has it
/// begins. Nothing has been taken then.
pub(crate) fn request(body: &[u8], taker: &mut Taker) -> Result<(), (Fault, u64)> {
    let message = Message { bytes: body, number: 1, signal: None };
    message.check(Told::Metric)?;
    // The message is whole down to its metrics: none of these loops ends early, and neither a
    // resource nor a scope fails to be read.
    for part in all(body, 1) {
        let mut origin = Origin::default();
        for resource in all(part, 1) {
            attributes(resource, 1, &mut origin.resource).map_err(|reason| (reason, 1))?;
        }
        for scoped in all(part, 2) {
            origin.next_scope();
            for scope in all(scoped, 1) {
                scope_of(scope, &mut origin).map_err(|reason| (reason, 1))?;
            }
            let base = Base::new(&origin);
            for bytes in all(scoped, 2) {
                match metric(bytes) {
                    Ok((metric, data)) => {
                        let shape = metric.shape.unwrap_or(Shape::Summary);
                        let points = all(data, 1).map(|bytes| point(shape, bytes));
                        taker.metric(&metric, &base, points);
                    }
                    Err(reason) => taker.unread(reason, excerpt(bytes)),
                }
            }
        }
    }
    Ok(())
}

/// What is in field `tag` of `message`, as messages; ends at what is malformed.
fn all(message: &[u8], tag: u64) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields { bytes: message };
    std::iter::from_fn(move || fields.next()?.ok()).filter_map(move |field| match field {
        (found, Wire::Bytes(part)) if found == tag => Some(part),
        _ => None,
    })
}

/// A metric, and its data with all points in field 1.
fn metric(message: &[u8]) -> Result<(Metric<'_>, &[u8]), Fault> {
    let mut metric = Metric::default();
    let mut data: &[u8] = &[];
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        let (shape, bytes) = match field? {
            (1, Wire::Bytes(name)) => {
                metric.name = text(name)?.into();
                continue;
            }
            (3, Wire::Bytes(unit)) => {
                metric.unit = text(unit)?.into();
                continue;
            }
            (5, Wire::Bytes(bytes)) => (Shape::Gauge, bytes),
            (7, Wire::Bytes(bytes)) => (Shape::Sum, bytes),
            (9, Wire::Bytes(bytes)) => (Shape::Histogram, bytes),
            (10, Wire::Bytes(bytes)) => (Shape::Exponential, bytes),
            (11, Wire::Bytes(bytes)) => (Shape::Summary, bytes),
            _ => continue,
        };
        metric.shape = Some(shape);
        data = bytes;
    }
    // Its end is seen here, so that no point behind a fault is lost without a count.
    let mut fields = Fields { bytes: data };
    while let Some(field) = fields.next() {
        match field? {
            (2, Wire::Varint(temporality)) => metric.temporality = temporality.cast_signed(),
            (3, Wire::Varint(is_monotonic)) => metric.is_monotonic = is_monotonic != 0,
            _ => {}
        }
    }
    Ok((metric, data))
}

fn point(shape: Shape, message: &[u8]) -> Result<Point<'_>, Fault> {
    let mut point = Point::default();
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        let (tag, wire) = field?;
        match (tag, wire) {
            (2, Wire::Fixed64(start)) => point.start = start,
            (3, Wire::Fixed64(time)) => point.time = time,
            _ => match shape {
                Shape::Gauge | Shape::Sum => number(&mut point, tag, wire)?,
                Shape::Histogram => explicit(&mut point, tag, wire)?,
                Shape::Exponential => exponential(&mut point, tag, wire)?,
                Shape::Summary => {}
            },
        }
    }
    Ok(point)
}

/// A field of a `NumberDataPoint`.
fn number<'a>(point: &mut Point<'a>, tag: u64, wire: Wire<'a>) -> Result<(), Fault> {
    match (tag, wire) {
        (4, Wire::Fixed64(bits)) => point.value = Some(f64::from_bits(bits)),
        (5, Wire::Bytes(_)) => point.exemplars += 1,
        (6, Wire::Fixed64(int)) => point.value = Some(int.cast_signed() as f64),
        (7, Wire::Bytes(pair)) => point.attributes.push(attribute(pair, 0)?),
        (8, Wire::Varint(flags)) => point.flags = flags,
        _ => {}
    }
    Ok(())
}

/// A field of a `HistogramDataPoint`.
fn explicit<'a>(point: &mut Point<'a>, tag: u64, wire: Wire<'a>) -> Result<(), Fault> {
    match (tag, wire) {
        (4, Wire::Fixed64(count)) => point.count = count,
        (5, Wire::Fixed64(bits)) => point.sum = Some(f64::from_bits(bits)),
        (6, wire) => fixed64s(wire, &mut point.counts)?,
        (7, wire) => doubles(wire, &mut point.bounds)?,
        (8, Wire::Bytes(_)) => point.exemplars += 1,
        (9, Wire::Bytes(pair)) => point.attributes.push(attribute(pair, 0)?),
        (10, Wire::Varint(flags)) => point.flags = flags,
        _ => {}
    }
    Ok(())
}

/// A field of an `ExponentialHistogramDataPoint`.
fn exponential<'a>(point: &mut Point<'a>, tag: u64, wire: Wire<'a>) -> Result<(), Fault> {
    match (tag, wire) {
        (1, Wire::Bytes(pair)) => point.attributes.push(attribute(pair, 0)?),
        (4, Wire::Fixed64(count)) => point.count = count,
        (5, Wire::Fixed64(bits)) => point.sum = Some(f64::from_bits(bits)),
        (6, Wire::Varint(scale)) => point.scale = zigzag(scale),
        (7, Wire::Fixed64(zero)) => point.zero = zero,
        (8, Wire::Bytes(buckets)) => side(buckets, &mut point.positive)?,
        (9, Wire::Bytes(buckets)) => side(buckets, &mut point.negative)?,
        (10, Wire::Varint(flags)) => point.flags = flags,
        (11, Wire::Bytes(_)) => point.exemplars += 1,
        (14, Wire::Fixed64(bits)) => point.zero_threshold = f64::from_bits(bits),
        _ => {}
    }
    Ok(())
}

/// `Buckets`: offset 1, counts 2.
fn side(message: &[u8], side: &mut Side) -> Result<(), Fault> {
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Varint(offset)) => side.offset = zigzag(offset),
            (2, wire) => varints(wire, &mut side.counts)?,
            _ => {}
        }
    }
    Ok(())
}
