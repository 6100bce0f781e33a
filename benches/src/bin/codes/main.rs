//! Exploration.
use rain_benches::throughput::*;
use rain_codec::*;
use std::sync::Arc;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let rounds: usize = args[1].parse().unwrap();
    let codes: Vec<&str> = args[2].split(',').collect();
    let regimes: Vec<Regime> = Regime::ALL.into_iter().filter(|r| args[3].split(',').any(|a| a == r.name())).collect();
    let ops = args.get(4).map_or("encode", |s| s.as_str());
    for name in codes {
        let code = Arc::new(Code::named(name).unwrap());
        let codec = Arc::new(InterleavedCodec::new(code.clone()));
        let (n, k) = (code.columns(), code.data_columns());
        for &regime in &regimes {
            for op in ops.split(',') {
                let operation = match op {
                    "encode" => Operation::Encode,
                    "d1" => Operation::Decode(vec![0]),
                    _ => Operation::Decode(vec![0, 1]),
                };
                let grain = code.rows() * 64;
                let column_bytes = regime.column_bytes(n, k, grain);
                let mut arena = Arena::new(n, k, column_bytes, regime.stripe_count()).unwrap();
                let mut contenders = Vec::new();
                for layout in Layout::ALL {
                    if column_bytes % layout.grain(code.rows()) == 0 {
                        for stores in Stores::ALL.into_iter().take(if layout == Layout::Cells { 2 } else { 1 }) {
                            contenders.push(rain_benches::throughput::codec(&codec, &operation, layout, stores));
                        }
                    }
                }
                contenders.extend(probes(n, k, Kernel::detect()));
                #[cfg(feature = "peers")]
                {
                    use rain_benches::peers::*;
                    contenders.push(ec_encode_data(n, k, &operation, Isal::Best));
                    contenders.push(raid(k, 2));
                    contenders.push(raid(k, 1));
                }
                let figures = compare(&mut arena, &mut contenders, rounds);
                println!("{name} {} {op} col={column_bytes}", regime.name());
                for (c, f) in contenders.iter().zip(&figures) {
                    println!("   {:32} {:7.1} max {:7.1} ±{:.0}%", c.name, f.gb_per_s, f.best, f.spread * 100.0);
                }
            }
        }
    }
}
